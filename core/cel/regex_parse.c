/* Text of a regular expression to a tree. Errors are worded as Go's regexp/syntax. */
#include "cel/regex_int.h"
#include "codec/utf8.h"

struct flags {
    bool fold, multi_line, dot_all, ungreedy;
};

struct reader {
    struct arena *arena;
    struct err *err;
    struct str text;
    size_t at;
    struct flags flags;
    bool quoting; /* between \Q and \E */
    unsigned depth;
    int rc;
};

static int complain(struct reader *r, const char *what, size_t from, size_t to)
{
    if (r->rc == 0)
        r->rc = err_set(r->err, E_SYNTAX, "error parsing regexp: %s: `%.*s`", what,
                        (int)(to - from), r->text.p + from);
    return r->rc;
}

static struct regex_node *node(struct reader *r, enum regex_node_kind kind)
{
    struct regex_node *n = r->rc < 0 ? NULL : arena_zalloc(r->arena, sizeof *n);
    if (n)
        n->kind = (uint8_t)kind;
    else if (r->rc == 0)
        r->rc = err_set(r->err, E_NOMEM, "out of memory");
    return n;
}

static void add_part(struct regex_node *parent, struct regex_node *part)
{
    if (!parent || !part)
        return;
    if (parent->last)
        parent->last->next = part;
    else
        parent->first = part;
    parent->last = part;
}

static int peek(const struct reader *r, size_t ahead)
{
    return r->at + ahead < r->text.n ? (unsigned char)r->text.p[r->at + ahead] : -1;
}

static bool looking_at(const struct reader *r, const char *text)
{
    return str_starts(str_make(r->text.p + r->at, r->text.n - r->at), str_of(text));
}

static uint32_t next_char(struct reader *r)
{
    const char *p = r->text.p + r->at;
    size_t n = utf8_length(p, r->text.n - r->at);
    if (n == 0) {
        if (r->rc == 0)
            r->rc = err_set(r->err, E_SYNTAX, "error parsing regexp: invalid UTF-8");
        r->at = r->text.n;
        return 0;
    }
    uint32_t c = n == 1 ? (unsigned char)*p : (unsigned char)*p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    r->at += n;
    return c;
}

/* ---- sets of characters ---- */

struct set {
    struct regex_range *ranges;
    uint32_t count, room;
};

static void set_add(struct reader *r, struct set *s, uint32_t low, uint32_t high)
{
    if (r->rc < 0)
        return;
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : 8;
        struct regex_range *ranges = arena_alloc(r->arena, room * sizeof *ranges);
        if (!ranges) {
            r->rc = err_set(r->err, E_NOMEM, "out of memory");
            return;
        }
        if (s->count > 0)
            memcpy(ranges, s->ranges, s->count * sizeof *ranges);
        s->ranges = ranges;
        s->room = room;
    }
    s->ranges[s->count++] = (struct regex_range){low, high};
}

/* With (?i) the letters of ASCII stand for both cases. */
static void set_add_fold(struct reader *r, struct set *s, uint32_t low, uint32_t high)
{
    set_add(r, s, low, high);
    for (uint32_t c = 'A'; r->flags.fold && c <= 'Z'; c++) {
        if (c >= low && c <= high)
            set_add(r, s, c + 32, c + 32);
        if (c + 32 >= low && c + 32 <= high)
            set_add(r, s, c, c);
    }
}

/* In order, joined where they touch. */
static void set_sort(struct set *s)
{
    for (uint32_t gap = s->count / 2; gap > 0; gap /= 2)
        for (uint32_t i = gap; i < s->count; i++)
            for (uint32_t j = i; j >= gap && s->ranges[j].low < s->ranges[j - gap].low; j -= gap) {
                struct regex_range swap = s->ranges[j];
                s->ranges[j] = s->ranges[j - gap];
                s->ranges[j - gap] = swap;
            }
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (n > 0 && s->ranges[i].low <= s->ranges[n - 1].high + 1) {
            if (s->ranges[i].high > s->ranges[n - 1].high)
                s->ranges[n - 1].high = s->ranges[i].high;
        } else {
            s->ranges[n++] = s->ranges[i];
        }
    }
    s->count = n;
}

static void set_invert(struct reader *r, struct set *s)
{
    struct set out = {0};
    uint32_t from = 0;
    set_sort(s);
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->ranges[i].low > from)
            set_add(r, &out, from, s->ranges[i].low - 1);
        from = s->ranges[i].high + 1;
    }
    if (from <= 0x10ffff)
        set_add(r, &out, from, 0x10ffff);
    *s = out;
}

static struct regex_node *set_node(struct reader *r, struct set *s)
{
    struct regex_node *n = node(r, NODE_CLASS);
    set_sort(s);
    if (n) {
        n->ranges = s->ranges;
        n->count = s->count;
    }
    return n;
}

static struct regex_node *char_node(struct reader *r, uint32_t c)
{
    struct set s = {0};
    set_add_fold(r, &s, c, c);
    return set_node(r, &s);
}

struct named {
    const char *name;
    const char *ranges; /* pairs */
};

static const struct named perl[] = {
    {"d", "09"}, {"s", "\t\n\f\r  "}, {"w", "09AZaz__"}, {NULL, NULL}};
static const struct named posix[] = {{"[:alnum:]", "09AZaz"},
                                     {"[:alpha:]", "AZaz"},
                                     {"[:blank:]", "\t\t  "},
                                     {"[:digit:]", "09"},
                                     {"[:graph:]", "!~"},
                                     {"[:lower:]", "az"},
                                     {"[:print:]", " ~"},
                                     {"[:punct:]", "!/:@[`{~"},
                                     {"[:space:]", "\t\r  "},
                                     {"[:upper:]", "AZ"},
                                     {"[:word:]", "09AZaz__"},
                                     {"[:xdigit:]", "09AFaf"},
                                     {NULL, NULL}};

static void add_named(struct reader *r, struct set *s, const struct named *n, bool inverted)
{
    struct set own = {0};
    for (const char *p = n->ranges; *p; p += 2)
        set_add(r, &own, (unsigned char)p[0], (unsigned char)p[1]);
    if (inverted)
        set_invert(r, &own);
    for (uint32_t i = 0; i < own.count; i++)
        set_add(r, s, own.ranges[i].low, own.ranges[i].high);
}

/* \d \D \s ... at the backslash; adds it and moves behind it. */
static bool take_perl(struct reader *r, struct set *s)
{
    int c = peek(r, 1);
    for (const struct named *n = perl; n->name; n++)
        if (peek(r, 0) == '\\' && c > 0 && (c | 0x20) == n->name[0]) {
            add_named(r, s, n, !(c & 0x20));
            r->at += 2;
            return true;
        }
    return false;
}

static bool take_posix(struct reader *r, struct set *s)
{
    for (const struct named *n = posix; n->name; n++) {
        char inverted[16] = "[:^";
        strcat(inverted, n->name + 2);
        bool plain = looking_at(r, n->name);
        if (plain || looking_at(r, inverted)) {
            add_named(r, s, n, !plain);
            r->at += strlen(n->name) + !plain;
            return true;
        }
    }
    return false;
}

/* ---- escapes ---- */

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind \x: two digits, or any number in braces. */
static int64_t hex_escape(struct reader *r)
{
    int64_t v = 0;
    unsigned n = 0;
    bool braces = peek(r, 0) == '{';
    r->at += braces;
    while (hex_digit(peek(r, 0)) >= 0 && (braces ? v <= 0x10ffff : n < 2)) {
        v = v * 16 + hex_digit(peek(r, 0));
        r->at++;
        n++;
    }
    if (n == 0 || (!braces && n != 2) || (braces && peek(r, 0) != '}') || v > 0x10ffff)
        return -1;
    r->at += braces;
    return v;
}

/* One character behind a backslash. */
static uint32_t escape(struct reader *r)
{
    static const char from[] = "aftnrv", to[] = "\a\f\t\n\r\v";
    size_t start = r->at++;
    int c = peek(r, 0);
    int64_t v = -1;
    if (c < 0) {
        complain(r, "trailing backslash at end of expression", start, start);
        return 0;
    }
    const char *simple = strchr(from, c);
    if (c >= '0' && c <= '7' && (c == '0' || (peek(r, 1) >= '0' && peek(r, 1) <= '7'))) {
        for (v = 0; peek(r, 0) >= '0' && peek(r, 0) <= '7' && r->at < start + 4; r->at++)
            v = v * 8 + peek(r, 0) - '0';
    } else if (simple && *simple) {
        v = to[simple - from];
        r->at++;
    } else if (c == 'x') {
        r->at++;
        v = hex_escape(r);
    } else if (c < 0x80 && c != '_' && hex_digit(c) < 0 &&
               !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        v = c;
        r->at++;
    }
    if (v < 0)
        complain(r, "invalid escape sequence", start, r->at > start + 1 ? r->at : start + 2);
    return v < 0 ? 0 : (uint32_t)v;
}

/* ---- [...] ---- */

static uint32_t class_char(struct reader *r, size_t start)
{
    if (peek(r, 0) == '\\')
        return escape(r);
    if (r->at >= r->text.n) {
        complain(r, "missing closing ]", start, r->text.n);
        return 0;
    }
    return next_char(r);
}

static struct regex_node *parse_class(struct reader *r)
{
    struct set s = {0};
    size_t start = r->at++;
    bool inverted = peek(r, 0) == '^', first = true;
    r->at += inverted;
    while (r->rc == 0 && (peek(r, 0) != ']' || first)) {
        size_t from = r->at;
        first = false;
        if (take_posix(r, &s) || take_perl(r, &s))
            continue;
        if (looking_at(r, "\\p") || looking_at(r, "\\P")) {
            complain(r, "invalid character class range", from, from + 2);
            break;
        }
        uint32_t low = class_char(r, start), high = low;
        if (peek(r, 0) == '-' && peek(r, 1) != ']' && peek(r, 1) >= 0) {
            r->at++;
            high = class_char(r, start);
        }
        if (high < low)
            complain(r, "invalid character class range", from, r->at);
        set_add_fold(r, &s, low, high);
        if (r->at >= r->text.n)
            complain(r, "missing closing ]", start, r->text.n);
    }
    r->at++;
    if (inverted)
        set_invert(r, &s);
    return set_node(r, &s);
}

/* ---- atoms ---- */

static struct regex_node *parse_choice(struct reader *r);

static struct regex_node *assertion(struct reader *r, enum regex_assertion what, size_t length)
{
    struct regex_node *n = node(r, NODE_ASSERT);
    if (n)
        n->assertion = (uint8_t)what;
    r->at += length;
    return n;
}

/* Behind "(?": flags to set, up to ')' or ':'. Whether they were well-formed. */
static bool read_flags(struct reader *r, struct flags *flags)
{
    bool on = true, any = false;
    for (;; r->at++) {
        int c = peek(r, 0);
        if (c == ')' || c == ':')
            return any || c == ':' || on;
        if (c == '-' && on) {
            on = false;
            any = false;
            continue;
        }
        bool *flag = c == 'i'   ? &flags->fold
                     : c == 'm' ? &flags->multi_line
                     : c == 's' ? &flags->dot_all
                     : c == 'U' ? &flags->ungreedy
                                : NULL;
        if (!flag)
            return false;
        *flag = on;
        any = true;
    }
}

/* Behind "(?P<" or "(?<": the name and its '>'. */
static bool read_name(struct reader *r)
{
    size_t start = r->at;
    for (int c; (c = peek(r, 0)) != '>'; r->at++)
        if (c != '_' && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return false;
    r->at++;
    return r->at > start + 1;
}

static struct regex_node *parse_group(struct reader *r)
{
    size_t start = r->at++;
    struct flags outer = r->flags;
    bool named = looking_at(r, "?P<") || looking_at(r, "?<");
    if (named) {
        r->at += peek(r, 1) == 'P' ? 3 : 2;
        if (!read_name(r)) {
            complain(r, "invalid named capture", start, r->text.n);
            return NULL;
        }
    } else if (peek(r, 0) == '?') {
        struct flags flags = r->flags;
        r->at++;
        if (!read_flags(r, &flags)) {
            complain(r, "invalid or unsupported Perl syntax", start,
                     r->at < r->text.n ? r->at + 1 : r->at);
            return NULL;
        }
        r->flags = flags;
        if (r->text.p[r->at++] == ')')
            return node(r, NODE_EMPTY);
    }
    if (++r->depth > REGEX_NESTING) {
        complain(r, "expression nests too deeply", 0, r->text.n);
        return NULL;
    }
    struct regex_node *n = parse_choice(r);
    r->depth--;
    r->flags = outer;
    if (peek(r, 0) != ')')
        complain(r, "missing closing )", 0, r->text.n);
    r->at++;
    return n;
}

static struct regex_node *dot(struct reader *r)
{
    struct set s = {0};
    r->at++;
    if (!r->flags.dot_all)
        set_add(r, &s, '\n', '\n');
    set_invert(r, &s);
    return set_node(r, &s);
}

/* A character between \Q and \E; a repetition behind \E is of the last. */
static struct regex_node *quoted(struct reader *r)
{
    struct regex_node *n = NULL;
    r->quoting = r->at < r->text.n && !looking_at(r, "\\E");
    n = r->quoting ? char_node(r, next_char(r)) : node(r, NODE_EMPTY);
    if (looking_at(r, "\\E")) {
        r->quoting = false;
        r->at += 2;
    }
    return n;
}

static struct regex_node *parse_backslash(struct reader *r)
{
    struct set s = {0};
    size_t start = r->at;
    if (take_perl(r, &s))
        return set_node(r, &s);
    switch (peek(r, 1)) {
    case 'A':
        return assertion(r, RE_BEGIN_TEXT, 2);
    case 'z':
        return assertion(r, RE_END_TEXT, 2);
    case 'b':
        return assertion(r, RE_WORD, 2);
    case 'B':
        return assertion(r, RE_NO_WORD, 2);
    case 'Q':
        r->at += 2;
        return quoted(r);
    case 'p':
    case 'P':
        complain(r, "invalid character class range", start, start + 2);
        return NULL;
    default:
        return char_node(r, escape(r));
    }
}

static struct regex_node *parse_atom(struct reader *r)
{
    if (r->quoting)
        return quoted(r);
    switch (peek(r, 0)) {
    case '(':
        return parse_group(r);
    case '[':
        return parse_class(r);
    case '.':
        return dot(r);
    case '^':
        return assertion(r, r->flags.multi_line ? RE_BEGIN_LINE : RE_BEGIN_TEXT, 1);
    case '$':
        return assertion(r, r->flags.multi_line ? RE_END_LINE : RE_END_TEXT, 1);
    case '\\':
        return parse_backslash(r);
    case '*':
    case '+':
    case '?':
        complain(r, "missing argument to repetition operator", r->at, r->at + 1);
        return NULL;
    default:
        return char_node(r, next_char(r));
    }
}

/* ---- repetition ---- */

static int read_count(struct reader *r, size_t *at)
{
    int v = -1;
    for (; *at < r->text.n && r->text.p[*at] >= '0' && r->text.p[*at] <= '9'; (*at)++)
        v = (v < 0 ? 0 : v > REGEX_REPEAT ? v : v * 10) + (r->text.p[*at] - '0');
    return v;
}

/* {n}, {n,} or {n,m}; else the brace is a character. Moves behind it. */
static bool read_braces(struct reader *r, int *min, int *max)
{
    size_t at = r->at + 1, start = r->at;
    *min = read_count(r, &at);
    *max = *min;
    if (*min < 0)
        return false;
    if (at < r->text.n && r->text.p[at] == ',') {
        at++;
        *max = read_count(r, &at);
    }
    if (at >= r->text.n || r->text.p[at] != '}')
        return false;
    r->at = at + 1;
    if (*min > REGEX_REPEAT || *max > REGEX_REPEAT || (*max >= 0 && *max < *min))
        complain(r, "invalid repeat count", start, r->at);
    return true;
}

static bool read_repeat(struct reader *r, int *min, int *max)
{
    int c = peek(r, 0);
    if (c == '{')
        return read_braces(r, min, max);
    if (c != '*' && c != '+' && c != '?')
        return false;
    *min = c == '+';
    *max = c == '?' ? 1 : -1;
    r->at++;
    return true;
}

static struct regex_node *parse_repeat(struct reader *r)
{
    struct regex_node *n = parse_atom(r);
    int min, max;
    size_t start = r->at;
    bool again = false;
    while (r->rc == 0 && !r->quoting && r->at < r->text.n && read_repeat(r, &min, &max)) {
        struct regex_node *repeat = node(r, NODE_REPEAT);
        bool lazy = peek(r, 0) == '?';
        r->at += lazy;
        if (again)
            complain(r, "invalid nested repetition operator", start, r->at);
        if (!repeat)
            break;
        repeat->min = min;
        repeat->max = max;
        repeat->lazy = lazy != r->flags.ungreedy;
        add_part(repeat, n);
        n = repeat;
        again = true;
    }
    return n;
}

static struct regex_node *parse_chain(struct reader *r)
{
    struct regex_node *chain = node(r, NODE_CHAIN);
    while (r->rc == 0 && r->at < r->text.n &&
           (r->quoting || (peek(r, 0) != '|' && peek(r, 0) != ')')))
        add_part(chain, parse_repeat(r));
    return chain;
}

static struct regex_node *parse_choice(struct reader *r)
{
    struct regex_node *choice = node(r, NODE_CHOICE);
    add_part(choice, parse_chain(r));
    while (r->rc == 0 && peek(r, 0) == '|') {
        r->at++;
        add_part(choice, parse_chain(r));
    }
    return choice;
}

int regex_parse(struct arena *a, struct str pattern, struct regex_node **ret, struct err *err)
{
    struct reader r = {.arena = a, .err = err, .text = pattern};
    struct regex_node *n = parse_choice(&r);
    if (r.rc == 0 && r.at < pattern.n)
        complain(&r, "unexpected )", 0, pattern.n);
    if (r.rc < 0)
        return r.rc;
    *ret = n;
    return 0;
}
