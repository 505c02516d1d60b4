/* `keelson image load --kubeconfig FILE [--node NAME] ARCHIVE`: an archive of images into every
 * node's store, through the API server. Exit status. argv[0] is the word behind `image`. */
#ifndef MAIN_IMAGE_CLI_H
#define MAIN_IMAGE_CLI_H

int image_cli_main(int argc, char **argv);

#endif
