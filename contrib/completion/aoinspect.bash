# bash completion for aoinspect, made from its own parsers by: aoinspect completion bash
# shellcheck shell=bash disable=SC2207

# What follows the command in $command: subcommands, options, options that take a value, and for each place of an
# argument (the last one repeats) what it is.
_aoinspect_command() {
    case $command in
        aoinspect)
            subcommands='verify check explain timeline show tui report resign annotate wireshark keys completion'
            options='-h --help --version'
            valued=''
            arguments=()
            ;;
        'aoinspect verify')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --filter --recover-isn -j --jobs --dedupe --max-connections --max-key-runs --format --policy --follow --events --all'
            valued='--keys --local --decode-as --dissector --filter --recover-isn -j --jobs --dedupe --max-connections --max-key-runs --format --policy --events'
            arguments=(file)
            ;;
        'aoinspect check')
            subcommands=''
            options='-h --help --keys --local --strict-keys --decode-as --dissector -q --quiet --filter --recover-isn -f --expect --baseline --update --strict --fail-on --policy --format --output -j --jobs'
            valued='--keys --local --decode-as --dissector --filter --recover-isn -f --expect --baseline --fail-on --policy --format --output -j --jobs'
            arguments=(file)
            ;;
        'aoinspect explain')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --recover-isn --connection --frame --format --write --force'
            valued='--keys --local --decode-as --dissector --recover-isn --connection --frame --format --write'
            arguments=(file file text)
            ;;
        'aoinspect timeline')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --filter --recover-isn -j --jobs --dedupe --max-connections --max-key-runs --connection --all --by --format -o --output'
            valued='--keys --local --decode-as --dissector --filter --recover-isn -j --jobs --dedupe --max-connections --max-key-runs --connection --by --format -o --output'
            arguments=(file)
            ;;
        'aoinspect show')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --filter --reveal -t --format'
            valued='--keys --local --decode-as --dissector --filter -t --format'
            arguments=(file text text)
            ;;
        'aoinspect tui')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --recover-isn'
            valued='--keys --local --decode-as --dissector --recover-isn'
            arguments=(file text)
            ;;
        'aoinspect report')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --filter --recover-isn -j --jobs --dedupe --max-connections --max-key-runs --policy --all -o --output'
            valued='--keys --local --decode-as --dissector --filter --recover-isn -j --jobs --dedupe --max-connections --max-key-runs --policy -o --output'
            arguments=(file)
            ;;
        'aoinspect resign')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --recover-isn --sign-keys --map --faults --add --strip --from-md5 --rollover --fix-checksums --anonymise --payload --ports --other-frames --force'
            valued='--keys --local --decode-as --dissector --recover-isn --sign-keys --map --faults --rollover --payload --ports --other-frames'
            arguments=(file file text)
            ;;
        'aoinspect annotate')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --recover-isn --force'
            valued='--keys --local --decode-as --dissector --recover-isn'
            arguments=(file file text)
            ;;
        'aoinspect wireshark')
            subcommands=install
            options='-h --help'
            valued=''
            arguments=()
            ;;
        'aoinspect wireshark install')
            subcommands=''
            options='-h --help --to --force -q --quiet'
            valued=--to
            arguments=()
            ;;
        'aoinspect keys')
            subcommands='import export lint compare example isn traffic-keys'
            options='-h --help'
            valued=''
            arguments=()
            ;;
        'aoinspect keys import')
            subcommands=''
            options='-h --help -q --quiet --local --strict --strict-keys -o --force'
            valued='--local -o'
            arguments=(file)
            ;;
        'aoinspect keys export')
            subcommands=''
            options='-h --help -q --quiet --local --strict --strict-keys -o --force --to --peer'
            valued='--local -o --to'
            arguments=(file)
            ;;
        'aoinspect keys lint')
            subcommands=''
            options='-h --help -q --quiet --local --strict --strict-keys --format --fail-on'
            valued='--local --format --fail-on'
            arguments=(file)
            ;;
        'aoinspect keys compare')
            subcommands=''
            options='-h --help -q --quiet --local-a --local-b --strict --strict-keys --format --fail-on'
            valued='--local-a --local-b --format --fail-on'
            arguments=(file file text)
            ;;
        'aoinspect keys example')
            subcommands=''
            options='-h --help -q --quiet -o --force'
            valued=-o
            arguments=()
            ;;
        'aoinspect keys isn')
            subcommands=''
            options='-h --help -q --quiet'
            valued=''
            arguments=(file)
            ;;
        'aoinspect keys traffic-keys')
            subcommands=''
            options='-h --help --keys --local --strict --strict-keys --decode-as --dissector -q --quiet --recover-isn -o --force --all'
            valued='--keys --local --decode-as --dissector --recover-isn -o'
            arguments=(file)
            ;;
        'aoinspect completion')
            subcommands=''
            options='-h --help'
            valued=''
            arguments=('bash zsh fish' text)
            ;;
    esac
}

# What the value of option $1 of $command is: "file", "text", or words to choose from.
_aoinspect_value() {
    case "$command $1" in
        'aoinspect verify --local') echo text ;;
        'aoinspect verify --decode-as') echo text ;;
        'aoinspect verify --filter') echo text ;;
        'aoinspect verify --recover-isn') echo text ;;
        'aoinspect verify -j' | 'aoinspect verify --jobs') echo text ;;
        'aoinspect verify --dedupe') echo text ;;
        'aoinspect verify --max-connections') echo text ;;
        'aoinspect verify --max-key-runs') echo text ;;
        'aoinspect verify --format') echo 'text json jsonl' ;;
        'aoinspect verify --policy') echo 'rfc linux observe' ;;
        'aoinspect verify --events') echo text ;;
        'aoinspect check --local') echo text ;;
        'aoinspect check --decode-as') echo text ;;
        'aoinspect check --filter') echo text ;;
        'aoinspect check --recover-isn') echo text ;;
        'aoinspect check --fail-on') echo text ;;
        'aoinspect check --policy') echo 'rfc linux observe' ;;
        'aoinspect check --format') echo 'text json jsonl junit github tap' ;;
        'aoinspect check -j' | 'aoinspect check --jobs') echo text ;;
        'aoinspect explain --local') echo text ;;
        'aoinspect explain --decode-as') echo text ;;
        'aoinspect explain --recover-isn') echo text ;;
        'aoinspect explain --connection') echo text ;;
        'aoinspect explain --frame') echo text ;;
        'aoinspect explain --format') echo 'text json' ;;
        'aoinspect timeline --local') echo text ;;
        'aoinspect timeline --decode-as') echo text ;;
        'aoinspect timeline --filter') echo text ;;
        'aoinspect timeline --recover-isn') echo text ;;
        'aoinspect timeline -j' | 'aoinspect timeline --jobs') echo text ;;
        'aoinspect timeline --dedupe') echo text ;;
        'aoinspect timeline --max-connections') echo text ;;
        'aoinspect timeline --max-key-runs') echo text ;;
        'aoinspect timeline --connection') echo text ;;
        'aoinspect timeline --by') echo 'time frame' ;;
        'aoinspect timeline --format') echo 'text json svg html' ;;
        'aoinspect show --local') echo text ;;
        'aoinspect show --decode-as') echo text ;;
        'aoinspect show --filter') echo text ;;
        'aoinspect show -t') echo 'a r e' ;;
        'aoinspect show --format') echo 'text json jsonl' ;;
        'aoinspect tui --local') echo text ;;
        'aoinspect tui --decode-as') echo text ;;
        'aoinspect tui --recover-isn') echo text ;;
        'aoinspect report --local') echo text ;;
        'aoinspect report --decode-as') echo text ;;
        'aoinspect report --filter') echo text ;;
        'aoinspect report --recover-isn') echo text ;;
        'aoinspect report -j' | 'aoinspect report --jobs') echo text ;;
        'aoinspect report --dedupe') echo text ;;
        'aoinspect report --max-connections') echo text ;;
        'aoinspect report --max-key-runs') echo text ;;
        'aoinspect report --policy') echo 'rfc linux observe' ;;
        'aoinspect resign --local') echo text ;;
        'aoinspect resign --decode-as') echo text ;;
        'aoinspect resign --recover-isn') echo text ;;
        'aoinspect resign --map') echo text ;;
        'aoinspect resign --faults') echo 'repair keep' ;;
        'aoinspect resign --rollover') echo text ;;
        'aoinspect resign --payload') echo 'zero keep drop' ;;
        'aoinspect resign --ports') echo 'keep shuffle' ;;
        'aoinspect resign --other-frames') echo 'blank drop' ;;
        'aoinspect annotate --local') echo text ;;
        'aoinspect annotate --decode-as') echo text ;;
        'aoinspect annotate --recover-isn') echo text ;;
        'aoinspect keys import --local') echo text ;;
        'aoinspect keys export --local') echo text ;;
        'aoinspect keys export --to') echo 'aoinspect bird gobgp ios-xr ios-xe junos ietf' ;;
        'aoinspect keys lint --local') echo text ;;
        'aoinspect keys lint --format') echo 'text json' ;;
        'aoinspect keys lint --fail-on') echo 'error warning note' ;;
        'aoinspect keys compare --local-a') echo text ;;
        'aoinspect keys compare --local-b') echo text ;;
        'aoinspect keys compare --format') echo 'text json' ;;
        'aoinspect keys compare --fail-on') echo 'error warning note' ;;
        'aoinspect keys traffic-keys --local') echo text ;;
        'aoinspect keys traffic-keys --decode-as') echo text ;;
        'aoinspect keys traffic-keys --recover-isn') echo text ;;
        *) echo file ;;
    esac
}

_aoinspect_offer() {
    case $1 in
        file) COMPREPLY=() && compopt -o default ;;
        text) COMPREPLY=() ;;
        *) COMPREPLY=($(compgen -W "$1" -- "$2")) ;;
    esac
}

_aoinspect() {
    local command=aoinspect subcommands options valued arguments
    local current=${COMP_WORDS[COMP_CWORD]} awaited='' only_arguments='' index word places=0
    _aoinspect_command
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ $word == : ]]; then
            # It belongs to the word before it, and so does the next one.
            ((++index))
        elif [[ $word == = ]]; then
            # The value of --option=value follows; elsewhere it is a piece of a word.
            [[ $awaited ]] || ((++index))
        elif [[ $awaited ]]; then
            awaited=''
        elif [[ $word == -- ]]; then
            only_arguments=yes
        elif [[ ! $only_arguments && $word == -?* ]]; then
            [[ " $valued " == *" $word "* ]] && awaited=$word
        elif [[ " $subcommands " == *" $word "* ]]; then
            command+=" $word"
            places=0
            _aoinspect_command
        else
            ((++places))
        fi
    done
    [[ $current == [=:] ]] && current=''
    if [[ $awaited ]]; then
        _aoinspect_offer "$(_aoinspect_value "$awaited")" "$current"
    elif [[ ! $only_arguments && $current == -* ]]; then
        _aoinspect_offer "$options" "$current"
    elif [[ $subcommands ]]; then
        _aoinspect_offer "$subcommands" "$current"
    elif ((${#arguments[@]} == 0)); then
        COMPREPLY=()
    else
        ((places < ${#arguments[@]})) || places=$((${#arguments[@]} - 1))
        _aoinspect_offer "${arguments[places]}" "$current"
    fi
}

complete -F _aoinspect aoinspect
