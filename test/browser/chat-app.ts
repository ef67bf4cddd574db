import { createOpenAI } from '@ai-sdk/openai'
import { convertToModelMessages, streamText, type UIMessage } from 'ai'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { build } from 'vite'
import { createReplayFetch, createResumableFetch, type Fetch } from '../../clients/typescript/src/index.ts'

/** A chat as an application keeps it: what was said, and the run that is answering. */
interface Chat {
  messages: UIMessage[]
  runId: string | undefined
}

export interface ChatApp {
  url: string
  close(): Promise<void>
}

/** An application with one chat of the AI SDK, as `docs/guides/ai-sdk.md` describes it. */
export async function startChatApp(gatewayUrl: string, model: string): Promise<ChatApp> {
  const page = await bundlePage()
  const chats = new Map<string, Chat>()

  async function tell(messages: UIMessage[], fetch: Fetch, response: ServerResponse): Promise<void> {
    const millrace = createOpenAI({ apiKey: 'none', baseURL: `${gatewayUrl}/v1`, fetch })
    const prompt = await convertToModelMessages(messages)
    const result = streamText({ model: millrace.chat(model), messages: prompt, maxRetries: 0 })
    await result.pipeUIMessageStreamToResponse(response)
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, id, stream] = /^\/api\/chat\/([\w-]+)(\/stream)?$/.exec(request.url ?? '') ?? []
    if (request.method === 'POST') {
      const { id, messages } = JSON.parse(await text(request)) as { id: string; messages: UIMessage[] }
      const chat: Chat = { messages, runId: undefined }
      chats.set(id, chat)
      return tell(messages, createResumableFetch({ onRun: (runId) => (chat.runId = runId) }), response)
    }
    const chat = chats.get(id ?? '')
    if (stream !== undefined) {
      if (chat?.runId !== undefined) return tell(chat.messages, createReplayFetch(chat.runId), response)
      response.writeHead(204).end()
    } else if (id !== undefined) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(chat?.messages ?? []))
    } else {
      response.setHeader('content-type', 'text/html').end(page)
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function bundlePage(): Promise<string> {
  const built = await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: 'error',
    // The tests' own NODE_ENV would get it a development build, which this React is not.
    oxc: { jsx: { runtime: 'automatic', development: false } },
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      lib: { entry: resolve(import.meta.dirname, 'chat-page.jsx'), formats: ['es'] },
    },
  })
  const [bundle] = Array.isArray(built) ? built : []
  const [script] = bundle?.output ?? []
  if (script === undefined) throw new Error('The page could not be built.')
  const code = script.code.replaceAll('</script', '<\\/script')
  return `<!doctype html><meta charset="utf-8"><div id="chat"></div><script type="module">${code}</script>`
}
