/* `keelson config new`: made on the workstation, so that the administrator has the credentials
 * before the node has ever run. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel-glue/boot/file.h"
#include "main/args.h"
#include "main/config.h"
#include "main/pki.h"

static void put_block(struct buf *out, const char *key, struct str pem)
{
    struct str line;
    buf_printf(out, "  %s: |\n", key);
    while (str_split(&pem, '\n', &line))
        if (line.n)
            buf_printf(out, "    " STR_FMT "\n", STR_ARG(line));
}

static int make(const char *name, const char *endpoint, int dir_fd, struct err *err)
{
    CLEANUP_BUF struct buf yaml, kubeconfig;
    CLEANUP_FREE struct config *check = mem_alloc(sizeof *check);
    char server[START_ENDPOINT + 16];
    struct pki_ca ca = {0};
    int64_t now_s = (int64_t)time(NULL);
    buf_init(&yaml, CONFIG_FILE_MOST);
    buf_init(&kubeconfig, CONFIG_FILE_MOST);
    int rc = check ? pki_ca_make(name, now_s, &ca, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc < 0)
        return rc;
    buf_printf(&yaml, "# For the ESP of a Keelson machine. Holds the cluster's CA key: keep it secret.\nname: %s\n", name);
    if (endpoint)
        buf_printf(&yaml, "endpoint: %s\n", endpoint);
    buf_puts(&yaml, "ca:\n");
    put_block(&yaml, "cert", buf_str(&ca.cert_pem));
    put_block(&yaml, "key", buf_str(&ca.key_pem));
    snprintf(server, sizeof server, "https://%s", endpoint ? endpoint : "127.0.0.1:6443");
    rc = pki_admin_kubeconfig(&ca, name, server, now_s, &kubeconfig, err);
    if (rc == 0) /* what the node will read must be right here and now */
        rc = config_parse("keelson.yaml", buf_str(&yaml), check, err);
    if (rc == 0)
        rc = file_write_atomic(dir_fd, "keelson.yaml", buf_str(&yaml), 0600, err);
    if (rc == 0)
        rc = file_write_atomic(dir_fd, "admin.kubeconfig", buf_str(&kubeconfig), 0600, err);
    pki_ca_done(&ca);
    return rc;
}

int config_new_main(int argc, char **argv)
{
    const char *name = NULL, *endpoint = NULL, *out = NULL;
    const struct args_option options[] = {
        {"--name", &name}, {"--endpoint", &endpoint}, {"--out", &out}, {NULL, NULL}};
    struct err err = {0};
    int dir_fd;
    if (!args_parse(argc, argv, options, NULL))
        return 2;
    if (!name || !out)
        return args_error("config new wants --name NAME and --out DIR");
    if (!config_name_ok(str_of(name)))
        return args_error("--name '%s': expected lower-case letters, digits and '-', at most 63", name);
    int rc = file_make_dir(FILE_HERE, out, 0700, (uid_t)-1, &dir_fd, &err);
    if (rc == 0) {
        rc = make(name, endpoint, dir_fd, &err);
        close(dir_fd);
    }
    if (rc < 0) {
        fprintf(stderr, "keelson: %s\n", err.text);
        return 1;
    }
    printf("%s/keelson.yaml      for the ESP of the machine; it holds the cluster's CA key\n"
           "%s/admin.kubeconfig  for kubectl\n"
           "The machine keeps the CA on its state partition at first boot. Deleting keelson.yaml from the\n"
           "FAT partition afterwards is best effort: a FAT file leaves traces. Keep or destroy this copy.\n",
           out, out);
    if (!endpoint)
        printf("The kubeconfig says 127.0.0.1:6443, since no --endpoint was given.\n");
    return 0;
}
