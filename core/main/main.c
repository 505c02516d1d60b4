/* The program: a role when init started it, init when it is process 1, else its command line. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keelson_version.h"
#include "main/args.h"
#include "main/config.h"
#include "main/host.h"
#include "main/image_cli.h"
#include "main/init.h"
#include "main/role.h"

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks needs ptrace, which roles have given up. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:abort_on_error=1";
}
#endif

static int version_main(int argc, char **argv)
{
    if (argc > 0)
        return args_error("unexpected word '%s'", argv[0]);
    puts("keelson " KEELSON_VERSION);
    return 0;
}

static int help_main(int argc, char **argv);

static int config_main(int argc, char **argv)
{
    if (argc < 1 || strcmp(argv[0], "new") != 0)
        return args_error("config wants the word new");
    return config_new_main(argc - 1, argv + 1);
}

static const struct command {
    const char *word;
    int (*main)(int argc, char **argv); /* without the word itself */
    const char *help;
} commands[] = {
    {"run", host_main,
     "run --data DIR [--role all|control|node] [--listen ADDR:PORT] [--config FILE]\n"
     "      Kubernetes on this host: all roles as children of one process. Writes DIR/admin.kubeconfig.\n"
     "      --role control needs no root. --listen: the API's address (127.0.0.1:6443)."},
    {"config", config_main,
     "config new --name NAME [--endpoint HOST:PORT] --out DIR\n"
     "      Makes a cluster's CA, DIR/keelson.yaml for the machine's ESP, and DIR/admin.kubeconfig."},
    {"image", image_cli_main,
     "image load --kubeconfig FILE [--node NAME] ARCHIVE\n"
     "      An OCI or docker archive into every node's image store, under the name it carries."},
    {"version", version_main, "version"},
    {"help", help_main, "help"},
};

static int help_main(int argc, char **argv)
{
    if (argc > 0)
        return args_error("unexpected word '%s'", argv[0]);
    puts("keelson: a Kubernetes node as an appliance\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  keelson %s\n", commands[i].help);
    return 0;
}

int main(int argc, char **argv)
{
    int status = role_main(argc, argv);
    if (status >= 0)
        return status;
    if (getpid() == 1 && argc > 0 && strcmp(argv[0], "/init") == 0)
        init_main();
    if (argc < 2)
        return args_error("a word is missing: run, config, image, version or help");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].word, argv[1]) == 0)
            return commands[i].main(argc - 2, argv + 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_main(0, NULL);
    if (strcmp(argv[1], "--version") == 0)
        return version_main(0, NULL);
    return args_error("unknown word '%s'", argv[1]);
}
