# Picks modules with all they depend on.  Input, in this order: the list of wanted names, then
# modules.alias, modules.softdep and modules.dep as depmod writes them. Writes modules.dep and
# modules.alias for the chosen ones into the folder `out`, and prints for each `hot` or `cold` and its
# path. A name with a + before it is hot, with all it depends on: stored uncompressed, without .xz.
function plain(name) { gsub(/-/, "_", name); return name }
function name_of(path) { sub(/.*\//, "", path); sub(/\.ko.*/, "", path); return plain(path) }
function choose(path, heat,    i, n, need) {
    if (path in chosen && chosen[path] >= heat) return
    if (!(path in chosen)) order[++count] = path
    chosen[path] = heat
    n = split(deps[path], need, " ")
    for (i = 1; i <= n; i++) choose(need[i], heat)
    n = split(pre[name_of(path)], need, " ")
    for (i = 1; i <= n; i++) choose(need[i], heat)
}
function short(path,    name) {
    name = path
    sub(/.*\//, "", name)
    if (chosen[path]) sub(/\.xz$/, "", name)
    return release "/" name
}
# The last of equal entries stays: what is needed by the most is loaded first.
function line_of(path,    i, n, need, seen, text) {
    n = split(deps[path] " " pre_all[path], need, " ")
    for (i = n; i >= 1; i--) if (!(need[i] in seen)) { seen[need[i]] = 1; text = " " short(need[i]) text }
    return short(path) ":" text
}
FNR == 1 { file++ }
/^[ \t]*(#|$)/ { next }
file == 1 { sub(/[ \t]*#.*/, ""); for (i = 1; i <= NF; i++) { hot = sub(/^\+/, "", $i); wanted[plain($i)] = hot }; next }
file == 2 { alias_line[++aliases] = $0; if ($2 !~ /[*:]/) by_alias[plain($2)] = by_alias[plain($2)] " " plain($3); next }
file == 3 {
    mode = ""
    for (i = 3; i <= NF; i++) {
        if ($i ~ /:$/) mode = $i
        else if (mode == "pre:") soft[plain($2)] = soft[plain($2)] " " plain($i)
    }
    next
}
file == 4 { path = $1; sub(/:$/, "", path); by_name[name_of(path)] = path; $1 = ""; deps[path] = $0 }
END {
    for (name in soft) {
        n = split(soft[name], need, " ")
        for (i = 1; i <= n; i++) {
            m = split(need[i] " " by_alias[need[i]], real, " ")
            for (j = 1; j <= m; j++) if (real[j] in by_name) pre[name] = pre[name] " " by_name[real[j]]
        }
    }
    for (name in wanted) {
        if (name in by_name) choose(by_name[name], wanted[name])
        else print "image/modules.awk: this kernel has no module " name " (built in?)" >"/dev/stderr"
    }
    # Soft dependencies count for whoever needs the module that has them.
    for (i = 1; i <= count; i++) {
        n = split(order[i] " " deps[order[i]], need, " ")
        for (j = 1; j <= n; j++) {
            m = split(pre[name_of(need[j])], real, " ")
            for (k = 1; k <= m; k++) pre_all[order[i]] = pre_all[order[i]] " " real[k] " " deps[real[k]]
        }
    }
    for (i = 1; i <= count; i++) {
        print line_of(order[i]) >(out "/modules.dep")
        print (chosen[order[i]] ? "hot" : "cold"), order[i]
        kept[name_of(order[i])] = 1
    }
    for (i = 1; i <= aliases; i++) {
        split(alias_line[i], field, " ")
        if (plain(field[3]) in kept) print alias_line[i] >(out "/modules.alias")
    }
}
