# fish completion for aoinspect, made from its own parsers by: aoinspect completion fish

# The command so far, and behind it how many arguments it has: "aoinspect keys lint 1".
function __aoinspect_place
    set -l command aoinspect
    set -l places 0
    set -l awaited ''
    for word in (commandline -opc)[2..-1]
        if test -n "$awaited"
            set awaited ''
            continue
        end
        switch "$command $word"
            case 'aoinspect verify'
                set command 'aoinspect verify'
                set places 0
            case 'aoinspect check'
                set command 'aoinspect check'
                set places 0
            case 'aoinspect explain'
                set command 'aoinspect explain'
                set places 0
            case 'aoinspect timeline'
                set command 'aoinspect timeline'
                set places 0
            case 'aoinspect show'
                set command 'aoinspect show'
                set places 0
            case 'aoinspect tui'
                set command 'aoinspect tui'
                set places 0
            case 'aoinspect report'
                set command 'aoinspect report'
                set places 0
            case 'aoinspect resign'
                set command 'aoinspect resign'
                set places 0
            case 'aoinspect annotate'
                set command 'aoinspect annotate'
                set places 0
            case 'aoinspect wireshark'
                set command 'aoinspect wireshark'
                set places 0
            case 'aoinspect keys'
                set command 'aoinspect keys'
                set places 0
            case 'aoinspect completion'
                set command 'aoinspect completion'
                set places 0
            case 'aoinspect verify --keys' 'aoinspect verify --local' 'aoinspect verify --decode-as' 'aoinspect verify --dissector' 'aoinspect verify --filter' 'aoinspect verify --recover-isn' 'aoinspect verify -j' 'aoinspect verify --jobs' 'aoinspect verify --dedupe' 'aoinspect verify --max-connections' 'aoinspect verify --max-key-runs' 'aoinspect verify --format' 'aoinspect verify --policy' 'aoinspect verify --events'
                set awaited yes
            case 'aoinspect check --keys' 'aoinspect check --local' 'aoinspect check --decode-as' 'aoinspect check --dissector' 'aoinspect check --filter' 'aoinspect check --recover-isn' 'aoinspect check -f' 'aoinspect check --expect' 'aoinspect check --baseline' 'aoinspect check --fail-on' 'aoinspect check --policy' 'aoinspect check --format' 'aoinspect check --output' 'aoinspect check -j' 'aoinspect check --jobs'
                set awaited yes
            case 'aoinspect explain --keys' 'aoinspect explain --local' 'aoinspect explain --decode-as' 'aoinspect explain --dissector' 'aoinspect explain --recover-isn' 'aoinspect explain --connection' 'aoinspect explain --frame' 'aoinspect explain --format' 'aoinspect explain --write'
                set awaited yes
            case 'aoinspect timeline --keys' 'aoinspect timeline --local' 'aoinspect timeline --decode-as' 'aoinspect timeline --dissector' 'aoinspect timeline --filter' 'aoinspect timeline --recover-isn' 'aoinspect timeline -j' 'aoinspect timeline --jobs' 'aoinspect timeline --dedupe' 'aoinspect timeline --max-connections' 'aoinspect timeline --max-key-runs' 'aoinspect timeline --connection' 'aoinspect timeline --by' 'aoinspect timeline --format' 'aoinspect timeline -o' 'aoinspect timeline --output'
                set awaited yes
            case 'aoinspect show --keys' 'aoinspect show --local' 'aoinspect show --decode-as' 'aoinspect show --dissector' 'aoinspect show --filter' 'aoinspect show -t' 'aoinspect show --format'
                set awaited yes
            case 'aoinspect tui --keys' 'aoinspect tui --local' 'aoinspect tui --decode-as' 'aoinspect tui --dissector' 'aoinspect tui --recover-isn'
                set awaited yes
            case 'aoinspect report --keys' 'aoinspect report --local' 'aoinspect report --decode-as' 'aoinspect report --dissector' 'aoinspect report --filter' 'aoinspect report --recover-isn' 'aoinspect report -j' 'aoinspect report --jobs' 'aoinspect report --dedupe' 'aoinspect report --max-connections' 'aoinspect report --max-key-runs' 'aoinspect report --policy' 'aoinspect report -o' 'aoinspect report --output'
                set awaited yes
            case 'aoinspect resign --keys' 'aoinspect resign --local' 'aoinspect resign --decode-as' 'aoinspect resign --dissector' 'aoinspect resign --recover-isn' 'aoinspect resign --sign-keys' 'aoinspect resign --map' 'aoinspect resign --faults' 'aoinspect resign --rollover' 'aoinspect resign --payload' 'aoinspect resign --ports' 'aoinspect resign --other-frames'
                set awaited yes
            case 'aoinspect annotate --keys' 'aoinspect annotate --local' 'aoinspect annotate --decode-as' 'aoinspect annotate --dissector' 'aoinspect annotate --recover-isn'
                set awaited yes
            case 'aoinspect wireshark install'
                set command 'aoinspect wireshark install'
                set places 0
            case 'aoinspect wireshark install --to'
                set awaited yes
            case 'aoinspect keys import'
                set command 'aoinspect keys import'
                set places 0
            case 'aoinspect keys export'
                set command 'aoinspect keys export'
                set places 0
            case 'aoinspect keys lint'
                set command 'aoinspect keys lint'
                set places 0
            case 'aoinspect keys compare'
                set command 'aoinspect keys compare'
                set places 0
            case 'aoinspect keys example'
                set command 'aoinspect keys example'
                set places 0
            case 'aoinspect keys isn'
                set command 'aoinspect keys isn'
                set places 0
            case 'aoinspect keys traffic-keys'
                set command 'aoinspect keys traffic-keys'
                set places 0
            case 'aoinspect keys import --local' 'aoinspect keys import -o'
                set awaited yes
            case 'aoinspect keys export --local' 'aoinspect keys export -o' 'aoinspect keys export --to'
                set awaited yes
            case 'aoinspect keys lint --local' 'aoinspect keys lint --format' 'aoinspect keys lint --fail-on'
                set awaited yes
            case 'aoinspect keys compare --local-a' 'aoinspect keys compare --local-b' 'aoinspect keys compare --format' 'aoinspect keys compare --fail-on'
                set awaited yes
            case 'aoinspect keys example -o'
                set awaited yes
            case 'aoinspect keys traffic-keys --keys' 'aoinspect keys traffic-keys --local' 'aoinspect keys traffic-keys --decode-as' 'aoinspect keys traffic-keys --dissector' 'aoinspect keys traffic-keys --recover-isn' 'aoinspect keys traffic-keys -o'
                set awaited yes
            case '* -*'
            case '*'
                set places (math $places + 1)
        end
    end
    echo "$command $places"
end

function __aoinspect_in
    test (string replace -r ' [0-9]+$' '' -- (__aoinspect_place)) = "$argv"
end

function __aoinspect_at
    set -l place (string split -r -m 1 ' ' -- (__aoinspect_place))
    test "$place[1]" = "$argv[1]"; and test $place[2] -ge $argv[2]; and test $place[2] -le $argv[3]
end

complete -c aoinspect -f
complete -c aoinspect -n '__aoinspect_in aoinspect' -a verify -d 'say of every segment of every protected connection whether its MAC is right'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a check -d 'fail where the authentication in captures is not what it should be'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a explain -d 'say why segments fail, at which end, and what to change'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a timeline -d 'show which keys each connection used when, and what made it change them'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a show -d 'list packets, or show one with the proof of its MAC'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a tui -d 'look at a capture in the terminal, and work on its keys'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a report -d 'write everything that was found as one page of HTML'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a resign -d 'write a capture again with right MACs, under the same keys or others'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a annotate -d 'write a capture again with the verdicts as packet comments, for Wireshark'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a wireshark -d 'give Wireshark colours, columns and fields for what annotate writes'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a keys -d 'read keys from configurations, write them for routers, look them over, compare both ends'
complete -c aoinspect -n '__aoinspect_in aoinspect' -a completion -d 'print the script by which a shell completes the command line'
complete -c aoinspect -n '__aoinspect_in aoinspect' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect' -l version -d 'show program\'s version number and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l filter -x -d 'only these segments, for example \'ao.verdict == mismatch and tcp.port == 179\' (docs/filter.md)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -s j -l jobs -x -d 'processes that check MACs, this one included; 1 starts none (default: one for each processor)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l dedupe -x -d 'leave out copies of a segment, as mirror ports and several interfaces give them, that come within MS milliseconds (default: 10; put it behind the captures)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l max-connections -x -d 'socket pairs and connections that are followed (default: 100,000); what is over is counted and told'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l max-key-runs -x -d 'key runs kept of each direction of a connection (default: 4,096)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l format -x -a 'text json jsonl' -d 'default: text'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l policy -x -a 'rfc linux observe' -d 'whose expectations of key selection the findings hold both ends to (default: rfc; observe: nobody\'s)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l follow -d 'a pipe, or a file that is still being written: tell what happens as it comes, until SIGINT or the pipe\'s end, and sum up (docs/follow.md)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l events -x -d 'what lines are about, of segment,connection,verdict,transition,sne,finding,summary or all (default: segment; with --follow the others)'
complete -c aoinspect -n '__aoinspect_in aoinspect verify' -l all -d 'text: list every problem and every connection'
complete -c aoinspect -n '__aoinspect_at "aoinspect verify" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect check' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l filter -x -d 'only these segments, for example \'ao.verdict == mismatch and tcp.port == 179\' (docs/filter.md)'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -s f -l expect -r -F -d 'expectations; may be given several times'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l baseline -r -F -d 'the captures\' baseline'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l update -d 'write baselines instead of comparing with them'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l strict -d 'baselines with counts and frames'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l fail-on -x -d 'what fails, with commas (default: all but verified)'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l policy -x -a 'rfc linux observe' -d 'whose expectations of key selection the findings hold both ends to (default: rfc; observe: nobody\'s)'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l format -x -a 'text json jsonl junit github tap' -d 'of what stdout gets (default: text)'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -l output -r -F -d 'write FILE in FORMAT besides; may be given several times'
complete -c aoinspect -n '__aoinspect_in aoinspect check' -s j -l jobs -x -d 'checks at a time (default: processors)'
complete -c aoinspect -n '__aoinspect_at "aoinspect check" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l connection -x -d 'this connection only (as verify numbers it, from 0)'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l frame -x -d 'this segment only'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l format -x -a 'text json' -d 'default: text'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l write -r -F -d 'write the corrected key file, readable by you alone'
complete -c aoinspect -n '__aoinspect_in aoinspect explain' -l force -d '--write: replace a file that exists'
complete -c aoinspect -n '__aoinspect_at "aoinspect explain" 0 0' -r -F
complete -c aoinspect -n '__aoinspect_at "aoinspect explain" 1 1' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l filter -x -d 'only these segments, for example \'ao.verdict == mismatch and tcp.port == 179\' (docs/filter.md)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -s j -l jobs -x -d 'processes that check MACs, this one included; 1 starts none (default: one for each processor)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l dedupe -x -d 'leave out copies of a segment, as mirror ports and several interfaces give them, that come within MS milliseconds (default: 10; put it behind the captures)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l max-connections -x -d 'socket pairs and connections that are followed (default: 100,000); what is over is counted and told'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l max-key-runs -x -d 'key runs kept of each direction of a connection (default: 4,096)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l connection -x -d 'show this connection only; may be given several times (its number as verify prints it, from 0)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l all -d 'show every connection, and list every change'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l by -x -a 'time frame' -d 'what the axis counts (default: time)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -l format -x -a 'text json svg html' -d 'html is one file that stands alone (default: text)'
complete -c aoinspect -n '__aoinspect_in aoinspect timeline' -s o -l output -r -F -d 'write to FILE instead of stdout'
complete -c aoinspect -n '__aoinspect_at "aoinspect timeline" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect show' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l filter -x -d 'only these segments, for example \'ao.verdict == mismatch and tcp.port == 179\' (docs/filter.md)'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l reveal -d 'FRAME: print the traffic key, and a TCP-MD5 key\'s password'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -s t -x -a 'a r e' -d 'list: times absolute (UTC), relative to the first frame, or in seconds since 1970 (default: r)'
complete -c aoinspect -n '__aoinspect_in aoinspect show' -l format -x -a 'text json jsonl' -d 'default: text'
complete -c aoinspect -n '__aoinspect_at "aoinspect show" 0 0' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect tui' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_at "aoinspect tui" 0 0' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect report' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l filter -x -d 'only these segments, for example \'ao.verdict == mismatch and tcp.port == 179\' (docs/filter.md)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -s j -l jobs -x -d 'processes that check MACs, this one included; 1 starts none (default: one for each processor)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l dedupe -x -d 'leave out copies of a segment, as mirror ports and several interfaces give them, that come within MS milliseconds (default: 10; put it behind the captures)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l max-connections -x -d 'socket pairs and connections that are followed (default: 100,000); what is over is counted and told'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l max-key-runs -x -d 'key runs kept of each direction of a connection (default: 4,096)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l policy -x -a 'rfc linux observe' -d 'whose expectations of key selection the findings hold both ends to (default: rfc; observe: nobody\'s)'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -l all -d 'draw the timeline of every connection, however many'
complete -c aoinspect -n '__aoinspect_in aoinspect report' -s o -l output -r -F -d 'the page; - is stdout'
complete -c aoinspect -n '__aoinspect_at "aoinspect report" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l sign-keys -r -F -d 'sign with these keys: each key of --keys becomes the one of its name; may be given several times'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l map -x -d 'this key becomes that one, whatever their names; may be given several times'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l faults -x -a 'repair keep' -d 'segments whose MAC does not match: sign them right, or keep them failing (default: repair; keep with --anonymise)'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l add -d 'sign connections that carry no signature'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l strip -d 'take TCP-AO and TCP-MD5 options out'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l from-md5 -d 'turn TCP-MD5 into TCP-AO'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l rollover -x -d 'play a change to KEY in at TIME: seconds from the capture\'s start, or RFC 3339; may be repeated'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l fix-checksums -d 'repair the checksums (TCP, IPv4) of segments that stay as they are, too'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l anonymise -d 'write OUT, and OUT\'s name with .toml, for sharing'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l payload -x -a 'zero keep drop' -d 'TCP payloads: zeros of the same length (default), kept with all that they tell, or left out'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l ports -x -a 'keep shuffle' -d 'TCP ports: kept (default), or others for those from 1024 on that no key file names'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l other-frames -x -a 'blank drop' -d 'frames that are not of protected connections: empty ones in their place (default), or left out'
complete -c aoinspect -n '__aoinspect_in aoinspect resign' -l force -d 'replace OUT if it exists'
complete -c aoinspect -n '__aoinspect_at "aoinspect resign" 0 0' -r -F
complete -c aoinspect -n '__aoinspect_at "aoinspect resign" 1 1' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect annotate' -l force -d 'replace OUT if it exists'
complete -c aoinspect -n '__aoinspect_at "aoinspect annotate" 0 0' -r -F
complete -c aoinspect -n '__aoinspect_at "aoinspect annotate" 1 1' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect wireshark' -a install -d 'put the profile and the Lua plugin where Wireshark looks'
complete -c aoinspect -n '__aoinspect_in aoinspect wireshark' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect wireshark install' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect wireshark install' -l to -r -F -d 'put both into this personal configuration folder of Wireshark\'s instead'
complete -c aoinspect -n '__aoinspect_in aoinspect wireshark install' -l force -d 'replace files of the same name that differ'
complete -c aoinspect -n '__aoinspect_in aoinspect wireshark install' -s q -l quiet -d 'no advice on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a import -d 'write keys as a key file of aoinspect\'s own'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a export -d 'write keys for another system'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a lint -d 'say what is wrong with keys, or will be'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a compare -d 'hold the keys of both ends of sessions against each other'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a example -d 'print a key file to begin with'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a isn -d 'print [[connection]] entries for what routers and Linux list of live connections'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -a traffic-keys -d 'write the traffic keys of a capture\'s connections, to verify it without master keys'
complete -c aoinspect -n '__aoinspect_in aoinspect keys' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys import' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys import' -s q -l quiet -d 'no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys import' -l local -x -d 'the device\'s address, where its configuration does not name it'
complete -c aoinspect -n '__aoinspect_in aoinspect keys import' -l strict -l strict-keys -d 'refuse files with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect keys import' -s o -r -F -d 'file to write, of mode 0600; - is stdout'
complete -c aoinspect -n '__aoinspect_in aoinspect keys import' -l force -d 'replace OUT where it is there already'
complete -c aoinspect -n '__aoinspect_at "aoinspect keys import" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -s q -l quiet -d 'no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -l local -x -d 'the device\'s address, where its configuration does not name it'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -l strict -l strict-keys -d 'refuse files with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -s o -r -F -d 'file to write, of mode 0600; - is stdout'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -l force -d 'replace OUT where it is there already'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -l to -x -a 'aoinspect bird gobgp ios-xr ios-xe junos ietf' -d 'whose configuration'
complete -c aoinspect -n '__aoinspect_in aoinspect keys export' -l peer -d 'what the other end has to say: ids crossed, addresses exchanged'
complete -c aoinspect -n '__aoinspect_at "aoinspect keys export" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect keys lint' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys lint' -s q -l quiet -d 'no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys lint' -l local -x -d 'the device\'s address, where its configuration does not name it'
complete -c aoinspect -n '__aoinspect_in aoinspect keys lint' -l strict -l strict-keys -d 'refuse files with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect keys lint' -l format -x -a 'text json' -d 'default: text'
complete -c aoinspect -n '__aoinspect_in aoinspect keys lint' -l fail-on -x -a 'error warning note' -d 'exit status 1 for error, warning or note and above'
complete -c aoinspect -n '__aoinspect_at "aoinspect keys lint" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -s q -l quiet -d 'no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -l local-a -x -d 'the address of A\'s device'
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -l local-b -x -d 'the address of B\'s device'
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -l strict -l strict-keys -d 'refuse files with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -l format -x -a 'text json' -d 'default: text'
complete -c aoinspect -n '__aoinspect_in aoinspect keys compare' -l fail-on -x -a 'error warning note' -d 'exit status 1 for error, warning or note and above'
complete -c aoinspect -n '__aoinspect_at "aoinspect keys compare" 0 0' -r -F
complete -c aoinspect -n '__aoinspect_at "aoinspect keys compare" 1 1' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect keys example' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys example' -s q -l quiet -d 'no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys example' -s o -r -F -d 'write it there (default: stdout)'
complete -c aoinspect -n '__aoinspect_in aoinspect keys example' -l force -d 'replace FILE'
complete -c aoinspect -n '__aoinspect_in aoinspect keys isn' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys isn' -s q -l quiet -d 'no warnings on stderr'
complete -c aoinspect -n '__aoinspect_at "aoinspect keys isn" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l keys -r -F -d 'key file or router configuration, recognised by content or as NAME:FILE; may be given several times (default: the file named by AOINSPECT_KEYS)'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l local -x -d 'the address of the device whose configuration --keys names, where it does not; one for all, or one for each --keys in their order'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l strict -l strict-keys -d 'refuse key files and configurations with secrets that every user can read'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l decode-as -x -d 'as tshark\'s -d: udp.port==8472,vxlan'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l dissector -r -F -d 'a Python file with further dissectors; it is run'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -s q -l quiet -d 'no progress bar and no warnings on stderr'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l recover-isn -x -d 'candidates to try for the ISNs of connections whose handshake is missing, or off (default: 1000000: both ends together had sent under 1,400 octets; some seconds)'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -s o -r -F -d 'file to write, of mode 0600; - is stdout'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l force -d 'replace LOG where it is there already'
complete -c aoinspect -n '__aoinspect_in aoinspect keys traffic-keys' -l all -d 'also the traffic keys of MKTs that a connection could have used and did not, for other captures of it'
complete -c aoinspect -n '__aoinspect_at "aoinspect keys traffic-keys" 0 1000000' -r -F
complete -c aoinspect -n '__aoinspect_in aoinspect completion' -s h -l help -d 'show this help message and exit'
complete -c aoinspect -n '__aoinspect_at "aoinspect completion" 0 0' -x -a 'bash zsh fish'
