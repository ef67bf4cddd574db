import { useChat } from '@ai-sdk/react'
import { createRoot } from 'react-dom/client'

const id = 'story'

function Chat({ messages: kept }) {
  const { messages, status, sendMessage } = useChat({ id, messages: kept, resume: true })
  return (
    <main>
      <button onClick={() => sendMessage({ text: 'Tell me a story' })}>Ask</button>
      <p id="status">{status}</p>
      {messages.map((message) => (
        <p key={message.id} className={message.role}>
          {message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
        </p>
      ))}
    </main>
  )
}

const kept = await (await fetch(`/api/chat/${id}`)).json()
createRoot(document.querySelector('#chat')).render(<Chat messages={kept} />)
