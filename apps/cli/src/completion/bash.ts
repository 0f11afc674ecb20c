import type { Command } from '../command.js';
import { placesOf, valuesOf } from './words.js';

/** A script to source in bash. It asks nobody: what it knows is written into it. */
export function bashCompletion(commands: readonly Command[]): string {
  const values = valuesOf(commands);
  const places = placesOf(commands);
  const reply = (words: readonly string[]): string => `COMPREPLY=( $(compgen -W '${words.join(' ')}' -- "$cur") )`;
  return `# bash completion of waybill
_waybill() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at='' next i
  COMPREPLY=()
  for (( i = 1; i < COMP_CWORD; i++ )); do
    case "\${COMP_WORDS[i]}" in
      ${values.map(({ option }) => option).join('|')}) (( i++ )); continue ;;
      -*|help) continue ;;
    esac
    next="\${at:+$at }\${COMP_WORDS[i]}"
    case "$next" in
      ${places.flatMap(({ words }) => (words === '' ? [] : [`'${words}'`])).join('|')}) at="$next" ;;
      *) case "$at" in ${commands.map(({ words }) => `'${words}'`).join('|')}) ;; *) return ;; esac ;;   # an operand, or nothing that is known
    esac
  done
  case "$prev" in
${values.map(({ option, choices, file }) => `    ${option}) ${file ? 'COMPREPLY=( $(compgen -f -- "$cur") )' : choices.length > 0 ? reply(choices) : ':'}; return ;;`).join('\n')}
  esac
  case "$at" in
${places.map(({ words, candidates }) => `    '${words}') ${reply(candidates.map(({ word }) => word))} ;;`).join('\n')}
  esac
}
complete -F _waybill waybill`;
}
