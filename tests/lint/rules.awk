# The rules of the layering lint. Prints FILE:LINE: what is wrong. `layers` is core/LAYERS, `prog`
# the program that reads it. Comments and strings are blanked before calls are looked for.
BEGIN {
    command = "awk -f '" prog "' '" layers "'"
    while ((command | getline line) > 0) {
        n = split(line, word, " ")
        known[word[1]] = 1
        for (i = 2; i <= n; i++) may[word[1], word[i]] = 1
    }
    n = split("port loop codec base", word, " ")
    for (i = 1; i <= n; i++) driver_may[word[i]] = 1
    only["mbedtls/"] = only["psa/"] = only["bearssl"] = only["lwip/"] = only["netif/"] = "drivers"
    only["zlib.h"] = only["zstd"] = only["yaml.h"] = only["cJSON.h"] = "core/codec"
    only["llhttp.h"] = only["nghttp2/"] = "core/wire"
    only["linux/"] = only["asm/"] = only["asm-generic/"] = "kernel-glue"
    paths = "open openat openat2 creat mkdir mkdirat mkfifo mknod mknodat rmdir unlink unlinkat rename renameat " \
            "renameat2 link linkat symlink symlinkat readlink readlinkat mount umount umount2 pivot_root " \
            "chroot chdir fopen opendir chmod chown lchown truncate remove"
}
function complain(what) { print FILENAME ":" FNR ": " what }
# Part of the path: core/FOLDER, drivers or kernel-glue.
FNR == 1 {
    split(FILENAME, part, "/")
    place = part[1] == "core" ? "core/" part[2] : part[1]
    folder = part[2]
    comment = 0
    if (part[1] == "core" && part[3] != "" && !(folder in known)) complain("core/LAYERS does not name " folder)
}
{
    text = strip($0)
    if (match(text, /^[ \t]*#[ \t]*include[ \t]*/)) {
        name = substr(text, RSTART + RLENGTH)
        quoted = name ~ /^"/
        name = substr(name, 2)
        sub(/[">].*$/, "", name)
        include(name, quoted)
        next
    }
    gsub(/"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/, "\"\"", text)
    calls(text)
}
# Without comments; `comment` remembers an open one.
function strip(s,    out, at) {
    out = ""
    while (s != "") {
        if (comment) {
            at = index(s, "*/")
            if (!at) return out
            s = substr(s, at + 2)
            comment = 0
        }
        if (match(s, /"([^"\\]|\\.)*"|\/\*|\/\//)) {
            at = substr(s, RSTART, 2)
            if (at == "/*") { out = out substr(s, 1, RSTART - 1); s = substr(s, RSTART + 2); comment = 1 }
            else if (at == "//") return out substr(s, 1, RSTART - 1)
            else { out = out substr(s, 1, RSTART + RLENGTH - 1); s = substr(s, RSTART + RLENGTH) }
        } else return out s
    }
    return out
}
function include(name, quoted,    prefix, target) {
    for (prefix in only)
        if (index(name, prefix) == 1 && place != only[prefix] && !(quoted && name ~ /^base\//))
            complain("<" name "> belongs to " only[prefix])
    if (!quoted) return
    if (name ~ /\.\./) { complain("\"" name "\": includes are named from the top"); return }
    target = name
    sub(/\/.*/, "", target)
    if (target == "drivers") {
        if (place != "core/main" && place != "drivers") complain("only core/main may include " name)
    } else if (target == "kernel-glue") {
        if (place != "drivers" && place != "kernel-glue" && place != "core/main") complain("core may not include " name)
    } else if (target in known) {
        if (place == "drivers" && !(target in driver_may)) complain("drivers may not include " name)
        else if (place == "kernel-glue" && target != "base") complain("kernel-glue may not include " name)
        else if (place ~ /^core\// && !((folder, target) in may)) complain(place " may not include " name)
    }
}
# The names called in this line as plain functions: not methods, not parts of longer names.
function calls(text,    name, before) {
    while (match(text, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        before = substr(text, 1, RSTART - 1)
        name = substr(text, RSTART, RLENGTH - 1)
        sub(/[ \t]+$/, "", name)
        text = substr(text, RSTART + RLENGTH)
        if (before ~ /(\.|->)[ \t]*$/) continue
        # A declaration or a definition of a method pointer: `int (*open)(…)` is not a call.
        if (name ~ /^(malloc|calloc|realloc|free|reallocarray|strdup|strndup|asprintf|posix_memalign|aligned_alloc)$/ &&
            FILENAME != "core/base/mem.c")
            complain(name "(): only core/base/mem.c allocates")
        if (name == "syscall" && place != "kernel-glue") complain("syscall() belongs to kernel-glue")
        if (index(" " paths " ", " " name " ") && place ~ /^core\//)
            complain(name "(): paths are touched only in drivers and kernel-glue")
    }
}
