/* Every cap in one place. A number here is a promise about memory: change it with its reason. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    LIMIT_BODY_BYTES = 3 * 1024 * 1024,       /* request body; upstream's limit for JSON */
    LIMIT_OBJECT_BYTES = 1536 * 1024,         /* one stored object; etcd's request limit */
    LIMIT_JSON_DEPTH = 100,                   /* nesting of any document */
    LIMIT_JSON_NODES = 400 * 1000,            /* values in one document */
    LIMIT_YAML_NODES = 200 * 1000,            /* after alias expansion */
    LIMIT_HEADER_BYTES = 32 * 1024,           /* request line and headers of one HTTP message */
    LIMIT_HEADER_COUNT = 100,
    LIMIT_REQUEST_ARENA = 64 * 1024 * 1024,   /* memory of one request while it is handled */
    LIMIT_RECONCILE_ARENA = 64 * 1024 * 1024, /* memory of one reconcile */
    LIMIT_WATCH_QUEUE_BYTES = 4 * 1024 * 1024, /* unsent events of one watcher; then dropped */
    LIMIT_LIST_CHUNK = 500,                   /* objects a client library asks for at once */
    LIMIT_IMSG_BYTES = 64 * 1024,             /* one message between roles */
    LIMIT_IMSG_FDS = 8,
    LIMIT_CONNECTIONS = 4096, /* of one front */
    LIMIT_PODS_PER_NODE = 110,
    LIMIT_LOG_FILE_BYTES = 10 * 1024 * 1024, /* of one container; rotated */
    LIMIT_LOG_FILES = 5,
    LIMIT_IMAGE_LAYERS = 127,
    LIMIT_DNS_MESSAGE = 4096,
};

#endif
