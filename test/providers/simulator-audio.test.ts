import { describe, expect, test } from 'vitest'
import { simulateSpeech, simulateTranscription } from '#libs/providers'

describe('simulated speech', () => {
  test('is a WAV file whose sizes are right, with a tone for each word', () => {
    const { type, bytes } = simulateSpeech({ input: 'one two  one' })
    const tones = [44, 444, 844].map((start) => bytes.toString('hex', start, start + 400))

    expect(type).toBe('audio/wav')
    expect(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 16)).toBe('RIFFWAVEfmt ')
    expect([bytes.readUInt32LE(4), bytes.readUInt32LE(40)]).toEqual([bytes.length - 8, bytes.length - 44])
    expect(tones[0]).toBe(tones[2])
    expect(tones[0]).not.toBe(tones[1])
  })

  test('has an end, and needs a text', () => {
    expect(simulateSpeech({ input: 'a '.repeat(100_000) }).bytes.length).toBeLessThan(100_000)
    expect(() => simulateSpeech({ input: ' ' })).toThrow("'input' must be a text.")
  })
})

describe('a simulated transcription', () => {
  const form = (format: string) => ({
    type: 'multipart/form-data; boundary=b',
    bytes: Buffer.from(
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF\r\n' +
        `--b\r\nContent-Disposition: form-data; name="response_format"\r\n\r\n${format}\r\n--b--`,
    ),
  })

  test('is JSON or text, as the form says', () => {
    const read = (format: string) =>
      JSON.parse(simulateTranscription(form(format)) as string) as { text: string }
    const { text } = read('json')

    expect(text).toMatch(/^Lorem ipsum .*\.$/)
    expect(read('verbose_json')).toMatchObject({ text, segments: [] })
    expect(simulateTranscription(form('text'))).toMatchObject({ bytes: Buffer.from(`${text}\n`) })
    expect(() => simulateTranscription(form('srt'))).toThrow("'response_format' must be")
  })
})
