# Reads core/LAYERS. With out=make prints `allowed_FOLDER := …` lines for the Makefile, else
# `FOLDER ALLOWED` lines. Every folder may use itself.
/^rank:/ {
    sub(/^rank:/, "")
    groups = split($0, group, "<")
    for (i = 1; i <= groups; i++) {
        n = split(group[i], folder, " ")
        for (j = 1; j <= n; j++) emit(folder[j], below)
        below = below " " group[i]
        for (j = 1; j <= n; j++) upto[folder[j]] = below
        if (i == groups - 1) allowed_last = below
    }
    top = group[groups]
}
/^on [a-z]+:/ {
    base = $2
    sub(/:$/, "", base)
    sub(/^[^:]*:/, "")
    n = split($0, folder, " ")
    for (j = 1; j <= n; j++) { emit(folder[j], upto[base]); side = side " " folder[j] }
}
function emit(name, list) { names[++count] = name; lists[name] = list }
END {
    gsub(/ /, "", top)
    lists[top] = lists[top] " " side
    for (i = 1; i <= count; i++) {
        line = names[i] " " lists[names[i]]
        gsub(/ +/, " ", line)
        print (out == "make" ? "allowed_" names[i] " := " line : names[i] " " line)
    }
}
