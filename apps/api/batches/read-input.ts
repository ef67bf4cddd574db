import { hash } from 'node:crypto'
import { readInputLines, type BatchSpec, type InputLine, type InputProblem } from '#libs/batches'
import type { ApiDeps } from '../deps.ts'
import { getBatchFormat } from './format.ts'

/** What a line may have around its body. */
const aroundBody = 4_096
/** More of them tell nobody more. */
const mostProblems = 100

/** The input's bytes are not all there any more. */
export class MissingInput extends Error {
  constructor() {
    super('The input of the batch was deleted.')
    this.name = 'MissingInput'
  }
}

/** The lines of a batch's input. Throws `MissingInput` when the file is deleted meanwhile. */
export async function* readInput(
  { files, config }: Pick<ApiDeps, 'files' | 'config'>,
  { tenant, input }: BatchSpec,
): AsyncGenerator<InputLine> {
  let bytes = 0
  const measured = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of files.read(tenant, input.id, { start: 0, end: input.bytes })) {
      bytes += piece.length
      yield piece
    }
    if (bytes < input.bytes) throw new MissingInput()
  }
  yield* readInputLines(measured(), config.server.bodyLimitBytes + aroundBody)
}

/** Looks at every line, and gives how many there are or what is wrong with them. */
export async function checkInput(
  deps: Pick<ApiDeps, 'files' | 'config'>,
  spec: BatchSpec,
): Promise<{ total: number; problems: InputProblem[] }> {
  const { maxLines } = deps.config.batches
  const format = getBatchFormat(spec.format)
  const names = new Set<string>()
  const problems: InputProblem[] = []
  let total = 0
  for await (const { number, text } of readInput(deps, spec)) {
    total += 1
    if (total > maxLines) {
      const message = `The input has more than ${maxLines} requests.`
      return { total, problems: [{ code: 'too_many_requests', message, line: null, param: null }] }
    }
    const problem = text === undefined ? unreadable(deps) : checkLine(text)
    if (problem !== undefined) problems.push({ ...problem, line: number })
    if (problems.length === mostProblems) break
  }
  if (total === 0) {
    problems.push({ code: 'empty_file', message: 'The input has no requests.', line: null, param: null })
  }
  return { total, problems }

  function checkLine(text: string): Omit<InputProblem, 'line'> | undefined {
    const read = format.readLine(text, spec.endpoint)
    if ('code' in read) return read
    // Of a hundred thousand names, a part of their digests is small enough to keep.
    const name = hash('sha256', read.customId, 'base64').slice(0, 22)
    if (names.size === names.add(name).size) {
      const message = `The custom_id ${JSON.stringify(read.customId.slice(0, 64))} was used before; each is used once.`
      return { code: 'duplicate_custom_id', message, param: 'custom_id' }
    }
    return undefined
  }
}

function unreadable({ config }: Pick<ApiDeps, 'config'>): Omit<InputProblem, 'line'> {
  const message = `This line is not UTF-8, or has more than ${config.server.bodyLimitBytes} bytes.`
  return { code: 'invalid_json_line', message, param: null }
}
