/* See setup.h. */
#include "main/setup.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "kernel-glue/boot/spawn.h"
#include "main/setup_int.h"

static const struct step {
    const char *name;
    int (*run)(struct setup *s, struct err *err);
    bool wants_fd;
} steps[] = {
    {"config-file", setup_config_file, true},
    {"deliver", setup_deliver, true},
    {"config-esp", setup_config_esp, false},
    {"deliver-esp", setup_deliver_esp, true},
    {"modules", setup_modules, false},
    {"state", setup_state, false},
    {"address", setup_address, false},
    {"seed", setup_seed, false},
};

static int take_fd(struct setup *s, unsigned char *buffer, struct err *err)
{
    struct pollfd p = {.fd = SPAWN_CONTROL_FD, .events = POLLIN};
    struct imsg_in m;
    if (poll(&p, 1, 5000) <= 0 || imsg_recv(SPAWN_CONTROL_FD, buffer, LIMIT_IMSG_BYTES, &m) < 0)
        return err_set(err, E_TIMEOUT, "nothing was handed over");
    s->fd = imsg_take_fd(&m);
    imsg_close_fds(&m);
    return s->fd < 0 ? err_set(err, E_INVALID, "no descriptor was handed over") : 0;
}

static int run(struct setup *s, unsigned char *buffer, struct err *err)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (strcmp(steps[i].name, s->argv[0]) != 0)
            continue;
        int rc = steps[i].wants_fd ? take_fd(s, buffer, err) : 0;
        return rc < 0 ? rc : steps[i].run(s, err);
    }
    return err_set(err, E_INVALID, "no such step");
}

int setup_main(int argc, char **argv)
{
    CLEANUP_FREE unsigned char *in = mem_alloc(LIMIT_IMSG_BYTES), *out = mem_alloc(LIMIT_IMSG_BYTES);
    struct err err = {0};
    struct imsg_out m;
    struct setup s = {.argc = argc - 1, .argv = argv + 1, .fd = -1, .result = &m};
    if (argc < 2 || !in || !out)
        return 1;
    log_init("setup", 2, LOG_INFO);
    imsg_begin(&m, out, LIMIT_IMSG_BYTES, MSG_DONE, 0);
    int rc = run(&s, in, &err);
    if (rc < 0) /* fields of a step that failed are not sent */
        imsg_begin(&m, out, LIMIT_IMSG_BYTES, MSG_DONE, 0);
    imsg_put_u64(&m, TAG_VALUE, (uint64_t)-rc);
    imsg_put_cstr(&m, TAG_TEXT, err.text);
    rc = imsg_send(SPAWN_CONTROL_FD, &m);
    if (rc < 0)
        log_err("%s: result: %s", argv[1], err_text(rc));
    return rc < 0 ? 1 : 0;
}
