import type { Command } from '../command.js';
import { placesOf, valuesOf } from './words.js';

/** A script to source in fish. */
export function fishCompletion(commands: readonly Command[]): string {
  const places = placesOf(commands);
  const options = valuesOf(commands);
  return `# fish completion of waybill
function __waybill_at
  set -l at ''
  set -l skip 0
  set -l given (commandline -opc)
  for word in $given[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case ${options.map(({ option }) => option).join(' ')}
        set skip 1
      case '-*' help
      case '*'
        set -l next (string trim -- "$at $word")
        if contains -- $next ${places.flatMap(({ words }) => (words === '' ? [] : [`'${words}'`])).join(' ')}
          set at $next
        else if not contains -- $at ${commands.map(({ words }) => `'${words}'`).join(' ')}
          return 1
        end
    end
  end
  test $skip = 0; and test "$at" = "$argv[1]"
end
function __waybill_after
  set -l given (commandline -opc)
  test "$given[-1]" = "$argv[1]"
end
complete -c waybill -f
${places.flatMap(({ words, candidates }) => candidates.map(({ word, about }) => `complete -c waybill -n "__waybill_at '${words}'" -a ${quoted(word)} -d ${quoted(about)}`)).join('\n')}
${options.flatMap(({ option, choices, file }) => (file ? [`complete -c waybill -n "__waybill_after ${option}" -F`] : choices.map((word) => `complete -c waybill -n "__waybill_after ${option}" -a ${quoted(word)}`))).join('\n')}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll('\'', '\\\'')}'`;
}
