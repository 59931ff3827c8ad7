# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
# bash completion for maru

_maru() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]:-}
    local host="--threads --plugins --verbose --json --help"
    local shared="--device --device-option --placement --numerics --weights --config --set --bind --no-fuse $host"
    local own=
    case "$command" in
    run) own="--input --save --draw --save-state --load-state --profile --trace --timeout" ;;
    bench) own="--part --runs --warmup --profile" ;;
    plan) own="--format --output --part" ;;
    dump) own="--dot --part" ;;
    certify) own="--op --html --onnx --test --absolute --device --device-option" shared=$host ;;
    export) own="--output --part --opset --decompose --whole --external --input" ;;
    quantize) own="--calibrate --output --part --method --activations --per-tensor --samples --opset --external" ;;
    fetch) own="--from --accept-terms --to" shared="--json --help" ;;
    version) shared="--json --help" ;;
    devices | probe) shared=$host ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "run bench plan dump devices probe certify export quantize fetch version --help" -- "$word")
        return
    fi
    case "$before" in
    --placement) mapfile -t COMPREPLY < <(compgen -W "strict warn free" -- "$word") ;;
    --numerics) mapfile -t COMPREPLY < <(compgen -W "exact default fast" -- "$word") ;;
    --method) mapfile -t COMPREPLY < <(compgen -W "minmax entropy" -- "$word") ;;
    --activations) mapfile -t COMPREPLY < <(compgen -W "u8 i8 i8-symmetric" -- "$word") ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "text json dot svg" -- "$word") ;;
    --device | -d) mapfile -t COMPREPLY < <(compgen -W "$(maru devices --json 2>/dev/null |
        sed -n 's/.*{"id": "\([^"]*\)".*/\1/p')" -- "$word") ;;
    *)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$own $shared" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    esac
}
complete -o filenames -F _maru maru
