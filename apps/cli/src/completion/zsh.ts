import type { Command } from '../command.js';
import { placesOf, valuesOf } from './words.js';
import type { Candidate } from './words.js';

/** A script to source in zsh after compinit, or to put into a folder of \`fpath\` as _waybill. */
export function zshCompletion(commands: readonly Command[]): string {
  const values = valuesOf(commands);
  const places = placesOf(commands);
  return `#compdef waybill
_waybill() {
  local at='' next prev="\${words[CURRENT-1]}" i
  local -a found
  for (( i = 2; i < CURRENT; i++ )); do
    case "\${words[i]}" in
      ${values.map(({ option }) => option).join('|')}) (( i++ )); continue ;;
      -*|help) continue ;;
    esac
    next="\${at:+$at }\${words[i]}"
    case "$next" in
      ${places.flatMap(({ words }) => (words === '' ? [] : [`'${words}'`])).join('|')}) at="$next" ;;
      *) case "$at" in ${commands.map(({ words }) => `'${words}'`).join('|')}) ;; *) return ;; esac ;;   # an operand, or nothing that is known
    esac
  done
  case "$prev" in
${values.map(({ option, choices, file }) => `    ${option}) ${file ? '_files' : choices.length > 0 ? `found=(${choices.join(' ')}); _describe value found` : ':'}; return ;;`).join('\n')}
  esac
  case "$at" in
${places.map(({ words, candidates }) => `    '${words}') found=(${candidates.map(described).join(' ')}) ;;`).join('\n')}
  esac
  _describe waybill found
}
compdef _waybill waybill`;
}

/** `word:what it is`, in single quotes. */
function described({ word, about }: Candidate): string {
  return `'${`${word}:${about}`.replaceAll('\'', '\'\\\'\'')}'`;
}
