/*
 * Runs a fuzz target over its corpus as an ordinary test, without libFuzzer. The corpus of
 * tests/fuzz/NAME_fuzz.c is tests/fuzz/corpus/NAME/; files or folders may be named instead, which is
 * how a crash is replayed. The empty input is always tried too.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    if (!file || fstat(fileno(file), &st) < 0) {
        printf("not ok %s: cannot read\n", path);
        return 1;
    }
    /* Exactly as long as the input, so that the sanitizer sees a read past its end. */
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, file) != size) {
        printf("not ok %s: short read\n", path);
        exit(1);
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
    return 0;
}

static int replay(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return replay_file(path);
    int failures = 0;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        failures += replay(name);
    }
    closedir(dir);
    return failures;
}

int main(int argc, char **argv)
{
    int failures = 0;
    uint8_t *nothing = calloc(1, 1);
    LLVMFuzzerTestOneInput(nothing, 0);
    free(nothing);
    for (int i = 1; i < argc; i++)
        failures += replay(argv[i]);

    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    if (argc == 1) {
        char corpus[4096];
        struct stat st;
        int stem = (int)strlen(name) - (int)strlen("_fuzz");
        snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%.*s", stem > 0 ? stem : 0, name);
        if (stat(corpus, &st) == 0)
            failures += replay(corpus);
    }
    if (!failures)
        printf("ok %s replayed %u inputs\n", name, inputs);
    return failures != 0;
}
