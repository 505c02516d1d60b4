/* The steps of setup that read keelson.yaml and leave admin.kubeconfig. See setup.h. */
#include <unistd.h>

#include "base/mem.h"
#include "kernel-glue/boot/confine.h"
#include "kernel-glue/boot/file.h"
#include "main/config.h"
#include "main/setup_int.h"

enum { UID_PARSER = 2000000099 }; /* nobody else's; see core/main/role.c */

int setup_parse_config(struct setup *s, int fd, const char *file, struct err *err)
{
    static const struct confine nobody = {.uid = UID_PARSER, .syscall_filter = true, .secret = true, .name = "setup"};
    CLEANUP_FREE char *text = mem_alloc(CONFIG_FILE_MOST);
    CLEANUP_FREE struct config *c = mem_alloc(sizeof *c);
    size_t n;
    int ca_fd = -1;
    if (!text || !c)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = confine_apply(&nobody, err);
    if (rc < 0)
        return rc;
    if ((rc = file_read_fd(fd, text, CONFIG_FILE_MOST, &n, err)) < 0)
        return err_wrap(err, rc, "%s", file);
    if ((rc = config_parse(file, str_make(text, n), c, err)) < 0)
        return rc;
    if (c->ca_pem[0])
        rc = file_memory("ca", str_of(c->ca_pem), &ca_fd, err);
    if (rc == 0)
        config_put(s->result, c, ca_fd); /* the descriptor lives until this process ends */
    mem_wipe(c, sizeof *c);
    mem_wipe(text, CONFIG_FILE_MOST);
    return rc;
}

int setup_config_file(struct setup *s, struct err *err)
{
    return setup_parse_config(s, s->fd, s->argc > 1 ? s->argv[1] : "keelson.yaml", err);
}

int setup_deliver(struct setup *s, struct err *err)
{
    CLEANUP_FREE char *text = mem_alloc(CONFIG_FILE_MOST);
    size_t n;
    if (!text || s->argc < 2)
        return err_set(err, E_INVALID, "deliver wants a path");
    int rc = file_read_fd(s->fd, text, CONFIG_FILE_MOST, &n, err);
    if (rc == 0)
        rc = file_write_atomic(FILE_HERE, s->argv[1], str_make(text, n), 0600, err);
    mem_wipe(text, CONFIG_FILE_MOST);
    return rc;
}
