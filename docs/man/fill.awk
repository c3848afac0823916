# Fills a manual with what is said elsewhere, so that it cannot say otherwise:
#     @FLAGS cairn-pack add@   the flags of a program or command, out of `cairn-pack --options`
#     @TABLE Superblock@       the first table below that heading of docs/format.md
#     @VERSION@
# awk -v rows=FILE -v format=docs/format.md -v version=0.1.0 -f fill.awk MANUAL.in

# Text as mdoc takes it. A sentence ends a line, and no line is longer than 78 bytes.
function escape(text) {
    gsub(/\\/, "\\e", text)
    gsub(/--/, "\\-\\-", text)
    return text
}

function capital(text) {
    return toupper(substr(text, 1, 1)) substr(text, 2)
}

function print_text(text,    words, count, i, line) {
    gsub(/\\n/, " ", text) # as a row has line ends
    count = split(escape(text), words, " ")
    line = ""
    for (i = 1; i <= count; i++) {
        if (line != "" && length(line) + 1 + length(words[i]) > 78) {
            print line
            line = ""
        }
        line = line (line == "" ? "" : " ") words[i]
        if (words[i] ~ /[.]$/ && i < count) {
            print line
            line = ""
        }
    }
    if (line != "") {
        print line (line ~ /[.]$/ ? "" : ".")
    }
}

function argument(text) {
    gsub(/'/, "\"", text)
    gsub(/"/, "\\(dq", text)
    return "\"" text "\""
}

function print_item(field,    item) {
    item = ".It "
    if (field[3] != "") {
        item = item "Fl " field[3] (field[4] == "" || field[4] ~ /^\[/ ? " , " : " Ar " argument(field[4]) " , ")
    }
    item = item "Fl \\-" field[2]
    if (field[4] ~ /^\[/) {
        item = item " Ns Op = Ns Ar " argument(substr(field[4], 2, length(field[4]) - 2))
    } else if (field[4] != "") {
        item = item " Ar " argument(field[4])
    }
    print item
    print_text(capital(field[11]))
    if (field[12] != "") {
        print_text(field[12])
    }
    if (field[5] != "" && field[5] != field[4] && index(field[11] field[12], ", ") == 0) {
        gsub(/\|/, ", ", field[5])
        print_text("One of: " field[5] ".")
    }
    if (field[10] != "") {
        print_text("The default: " field[10] ".")
    }
    if (field[8] == "yes") {
        print "May be repeated."
    }
    if (field[6] != "") {
        print ".Pq Ev " field[6]
    }
}

function print_flags(command,    line, field, group) {
    group = ""
    while ((getline line < rows) > 0) {
        split(line, field, "\t")
        if (field[1] == command && field[9] != "About it") {
            if (group == "") {
                print ".Bl -tag -width Ds"
            }
            group = field[9]
            print_item(field)
        }
    }
    close(rows)
    if (group == "") {
        print "fill.awk: no flags of " command > "/dev/stderr"
        exit failed = 1
    }
    print ".El"
}

function print_table(heading,    line, cell, count, is_below, row) {
    row = 0
    while ((getline line < format) > 0) {
        if (line ~ /^#/) {
            is_below = index(line, "# " heading) > 0
        } else if (is_below && line ~ /^\|/) {
            if (++row == 2) {
                continue # the rule below the head
            }
            gsub(/`/, "", line)
            gsub(/ +\| +/, "|", line)
            gsub(/^\| *| *\|$/, "", line)
            count = split(escape(line), cell, "|")
            if (row == 1) {
                print (count == 3 ? ".Bl -column offset size field" : ".Bl -column size field")
            }
            gsub(/"/, "\\(dq", cell[count])
            print ".It " cell[1] " Ta " (count == 3 ? cell[2] " Ta " : "") "\"" cell[count] "\""
        } else if (row > 0) {
            break
        }
    }
    close(format)
    if (row < 3) {
        print "fill.awk: no table below " heading > "/dev/stderr"
        exit failed = 1
    }
    print ".El"
}

/^@FLAGS .*@$/ {
    print_flags(substr($0, 8, length($0) - 8))
    next
}
/^@TABLE .*@$/ {
    print_table(substr($0, 8, length($0) - 8))
    next
}
{
    gsub(/@VERSION@/, version)
    print
}
END {
    exit failed
}
