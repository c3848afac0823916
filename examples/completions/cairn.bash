# bash completion for cairn-pack, cairn-serve and cairn-ctl. Which flags there are and what their
# values may be it asks the program on the line (--options), so it is always of that version.

# Of each flag of a program, or of its command: name, letter, argument, choices. (Separated by what is
# no white space: read would take two tabs for one.)
_cairn_rows() { # PROGRAM [COMMAND]
    "$1" --options 2>/dev/null | awk -F '\t' -v OFS='\034' -v program="${1##*/}${2:+ $2}" \
        '$1 == program { print $2, $3, $4, $5 }'
}

_cairn_words() { # WORDS BEGINNING
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Files, of those endings if any are named, and folders on the way to them.
_cairn_files() { # BEGINNING [ENDING]...
    local name ending
    compopt -o filenames 2>/dev/null
    while IFS= read -r name; do
        if [[ -d $name || $# == 1 ]]; then
            COMPREPLY+=("$name")
        fi
        for ending in "${@:2}"; do
            [[ -d $name || $name != *"$ending" ]] || COMPREPLY+=("$name")
        done
    done < <(compgen -f -- "$1")
}

# By what its value is called.
_cairn_value() { # ARGUMENT CHOICES BEGINNING
    if [[ -n $2 ]]; then
        _cairn_words "${2//|/ }" "$3"
        return
    fi
    case $1 in
    PUBKEY) _cairn_files "$3" .pub ;;
    USER*) mapfile -t COMPREPLY < <(compgen -u -- "$3") ;;
    PATH | DIR | KEY | SOCKET | '[FILE]') _cairn_files "$3" ;;
    esac
}

# The words before the one that is completed, without flags. Flags of cairn-ctl that stand before its
# command have values behind them.
_cairn_operands() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket | -t | --timeout)
            [[ ${COMP_WORDS[i + 1]} == = ]] && i=$((i + 1))
            i=$((i + 1))
            ;;
        -*) ;;
        *) printf '%s ' "${COMP_WORDS[i]}" ;;
        esac
    done
}

_cairn_operand() { # PROGRAM OPERANDS BEGINNING
    case ${1##*/}:$2 in
    cairn-serve:*) _cairn_files "$3" .idx ;;
    cairn-pack:) _cairn_words "$("$1" --options 2>/dev/null |
        awk -F '\t' 'sub(/^cairn-pack /, "", $1) && !seen[$1]++ { print $1 }')" "$3" ;;
    cairn-pack:dev\ * | cairn-pack:add\ * | cairn-pack:check\ * | cairn-pack:rebuild\ * | cairn-pack:compact\ *)
        _cairn_files "$3" .cairn
        ;;
    cairn-pack:keygen\ *) _cairn_files "$3" ;;
    cairn-pack:*) _cairn_files "$3" .idx .cairn ;;
    cairn-ctl:) _cairn_words 'announce help indexes list load promote quit reopen rollback status unload' "$3" ;;
    'cairn-ctl:load ') _cairn_words index "$3" ;;
    'cairn-ctl:reopen ') _cairn_words logs "$3" ;;
    'cairn-ctl:announce ') _cairn_words 'error mended' "$3" ;;
    'cairn-ctl:list ' | 'cairn-ctl:indexes ' | 'cairn-ctl:status ') _cairn_words --json "$3" ;;
    'cairn-ctl:load index '* | cairn-ctl:promote* | cairn-ctl:unload*) _cairn_files "$3" .idx ;;
    esac
}

_cairn() {
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]}
    local has_equals='' operands name letter argument choices flags=()
    COMPREPLY=()
    if [[ $word == = ]]; then # "--flag=value" comes as three words
        word='' has_equals=1
    elif [[ $flag == = ]]; then
        flag=${COMP_WORDS[COMP_CWORD - 2]} has_equals=1
    fi
    operands=$(_cairn_operands)
    while IFS=$'\034' read -r name letter argument choices; do
        flags+=("--$name")
        # a value that may be left out stands behind '=' only
        if [[ -n $argument && ($argument != '['* || -n $has_equals) ]] &&
            [[ $flag == "--$name" || (-n $letter && $flag == "-$letter") ]]; then
            _cairn_value "$argument" "$choices" "$word"
            return
        fi
    done < <(_cairn_rows "$program" "$([[ ${program##*/} != cairn-pack ]] || echo "${operands%% *}")")
    case $word in
    -*) _cairn_words "${flags[*]}" "$word" ;;
    @*)
        _cairn_files "${word#@}"
        COMPREPLY=("${COMPREPLY[@]/#/@}")
        ;;
    *) _cairn_operand "$program" "$operands" "$word" ;;
    esac
}

complete -F _cairn cairn-pack cairn-serve cairn-ctl
