/*
 * What the roles front and control say to each other: HTTP requests one way, answers the other,
 * many at once, each under the message id of its stream (chosen by front, never used twice on one
 * link).
 *
 * Flow control: control has at most FRONT_WINDOW bytes of an answer on their way; front gives the
 * room back (WINDOW) as the client takes them. A slow client holds up its own stream only.
 */
#ifndef WIRE_FRONT_MSG_H
#define WIRE_FRONT_MSG_H

enum front_msg_type {
    /* front -> control */
    FRONT_REQUEST = 1, /* METHOD, TARGET, (HEADER_NAME, HEADER_VALUE)*, peer fields */
    FRONT_BODY,        /* BYTES: a part of the request's body */
    FRONT_BODY_END,    /* the request is complete (always sent) */
    FRONT_CANCEL,      /* the client went away */
    FRONT_WINDOW,      /* VALUE: bytes of the answer that the client has taken */
    /* control -> front */
    FRONT_HEAD, /* VALUE: status, (HEADER_NAME, HEADER_VALUE)* */
    FRONT_DATA, /* BYTES */
    FRONT_END,
    FRONT_ABORT, /* the answer cannot be completed: the connection is closed */
    FRONT_PROXY, /* HOST, VALUE: port, [SERVER_NAME], TARGET, [PREFIX]: fetch the answer there */
};

enum front_msg_tag {
    FRONT_TAG_METHOD = 1,
    FRONT_TAG_TARGET,
    FRONT_TAG_HEADER_NAME, /* lower case; its value follows */
    FRONT_TAG_HEADER_VALUE,
    FRONT_TAG_USER, /* of an acceptable client certificate */
    FRONT_TAG_GROUP,
    FRONT_TAG_PROBLEM, /* a certificate was presented and is not acceptable: why */
    FRONT_TAG_ADDRESS,
    FRONT_TAG_BYTES,
    FRONT_TAG_VALUE,
    FRONT_TAG_HOST,
    FRONT_TAG_SERVER_NAME, /* empty: TLS, the certificate is not verified */
    FRONT_TAG_FINGERPRINT, /* SHA-256 of the client's certificate, hex */
    FRONT_TAG_PREFIX,
};

enum {
    FRONT_WINDOW_BYTES = 256 * 1024,
    FRONT_CHUNK_BYTES = 48 * 1024,
    FRONT_HEADERS = 64,
    FRONT_GROUPS = 8
};

#endif
