import type { ConfigurableProvider } from '../../config.ts'

/** LiteLLM's word for a provider, where ours is another one. All others are the same but for `_` and `-`. */
const otherNames: Readonly<Record<string, string>> = {
  azure_text: 'azure',
  azure_ai: 'azure-ai',
  bedrock_converse: 'bedrock',
  cohere_chat: 'cohere',
  fireworks_ai: 'fireworks',
  hosted_vllm: 'vllm',
  ollama_chat: 'ollama',
  'text-completion-openai': 'openai',
  together_ai: 'together',
  vertex_ai: 'vertex',
  vertex_ai_beta: 'vertex',
}

/** Servers that speak OpenAI's words, with the address where they are found if none is given. */
const openaiServers: Readonly<Record<string, string | undefined>> = {
  custom_openai: undefined,
  openai_like: undefined,
  litellm_proxy: undefined,
  hosted_vllm: undefined,
  vllm: undefined,
  lm_studio: 'http://127.0.0.1:1234/v1',
  llamafile: 'http://127.0.0.1:8080/v1',
  xinference: 'http://127.0.0.1:9997/v1',
  ollama: 'http://127.0.0.1:11434/v1',
  ollama_chat: 'http://127.0.0.1:11434/v1',
}

/** The text in front of the first slash is a provider's name only if it is one of these. */
const prefixes = new Set(
  `ai21 ai21_chat aiml aleph_alpha anthropic anthropic_text anyscale assemblyai auto_router aws_polly azure azure_ai
  azure_text baseten bedrock bedrock_converse bytez cerebras clarifai cloudflare codestral cohere cohere_chat cometapi
  compactifai complexity custom custom_openai dashscope databricks datarobot deepgram deepinfra deepseek docker_model_runner
  dotprompt elevenlabs empower fal_ai featherless_ai fireworks_ai friendliai galadriel gemini gigachat github github_copilot
  gradient_ai groq helicone heroku hosted_vllm huggingface hyperbolic infinity jina_ai lambda_ai langgraph lemonade
  litellm_proxy llama llamafile lm_studio manus maritalk meta_llama milvus minimax mistral moonshot morph nanogpt nebius
  nlp_cloud novita nscale nvidia_nim oci ollama ollama_chat oobabooga openai openai_like openrouter ovhcloud perplexity
  petals poe predibase publicai recraft replicate runwayml sagemaker sagemaker_chat sambanova sap snowflake stability
  synthetic text-completion-codestral text-completion-openai together_ai topaz triton v0 vercel_ai_gateway vertex_ai
  vertex_ai_beta vllm volcengine voyage wandb watsonx watsonx_text xai xiaomi_mimo xinference zai`.split(
    /\s+/,
  ),
)

/** Models that are asked for without a provider in front. */
const bareNames: readonly (readonly [pattern: RegExp, prefix: string])[] = [
  [/^(?:anthropic|amazon|meta|cohere|ai21|mistral|us\.|eu\.|apac\.)[\w.]*\./, 'bedrock'],
  [
    /^(?:gpt-|chatgpt-|o[134](?:-|$)|ft:|dall-e-|text-embedding-\d|text-embedding-ada|whisper-|tts-)/,
    'openai',
  ],
  [/^(?:omni-moderation|text-moderation|codex-|computer-use-|sora-)/, 'openai'],
  [/^(?:text-davinci|davinci|babbage|gpt-3\.5-turbo-instruct)/, 'text-completion-openai'],
  [/^claude-/, 'anthropic'],
  [/^(?:gemini-|textembedding-gecko|text-multilingual-embedding|imagen)/, 'vertex_ai'],
  [/^command-/, 'cohere'],
  [/^deepseek-/, 'deepseek'],
]

/** Addresses by which LiteLLM knows a provider when nothing else says it. */
const hosts: Readonly<Record<string, string>> = {
  'api.openai.com': 'openai',
  'api.groq.com': 'groq',
  'api.mistral.ai': 'mistral',
  'api.deepseek.com': 'deepseek',
  'api.x.ai': 'xai',
  'api.together.xyz': 'together_ai',
  'api.fireworks.ai': 'fireworks_ai',
  'api.perplexity.ai': 'perplexity',
  'api.cerebras.ai': 'cerebras',
  'openrouter.ai': 'openrouter',
}

/** LiteLLM's provider, and its name for the model. */
export interface NamedModel {
  prefix: string
  model: string
}

/** Reads `provider/model` as LiteLLM does; undefined when nothing tells the provider. */
export function readModelName(
  model: string,
  { provider, baseUrl }: { provider: string | undefined; baseUrl: string | undefined },
): NamedModel | undefined {
  const slash = model.indexOf('/')
  const first = slash < 0 ? '' : model.slice(0, slash)
  const rest = model.slice(slash + 1)
  if (provider !== undefined) return { prefix: provider, model: first === provider ? rest : model }
  if (prefixes.has(first)) return { prefix: first, model: rest }
  const byHost = hosts[URL.parse(baseUrl ?? '')?.hostname ?? '']
  const prefix = byHost ?? bareNames.find(([pattern]) => pattern.test(model))?.[1]
  return prefix === undefined ? undefined : { prefix, model }
}

/** Our word for a provider of LiteLLM's. */
export function toProviderType(prefix: string): string {
  return otherNames[prefix] ?? prefix.replaceAll('_', '-')
}

/** Where the calls of one of LiteLLM's providers go. */
export interface Upstream {
  spec: ConfigurableProvider
  /** Undefined for that of the type. */
  baseUrl: string | undefined
}

/** Undefined when this release has no provider type for it. */
export function findUpstream(
  prefix: string,
  baseUrl: string | undefined,
  specs: readonly ConfigurableProvider[],
): Upstream | undefined {
  const named = (type: string): ConfigurableProvider | undefined =>
    specs.find((spec) => spec.type === type && spec.builtIn === undefined)
  const compatible = named('openai-compatible')
  if (prefix === 'openai' && baseUrl !== undefined && URL.parse(baseUrl)?.hostname !== 'api.openai.com') {
    return compatible && { spec: compatible, baseUrl }
  }
  // LiteLLM calls Ollama's own API, and its OpenAI-compatible one is below.
  const address = baseUrl && prefix.startsWith('ollama') ? baseUrl.replace(/(?:\/v1)?\/*$/, '/v1') : baseUrl
  const spec = named(toProviderType(prefix)) ?? named(prefix)
  if (spec !== undefined) return { spec, baseUrl: address }
  if (!Object.hasOwn(openaiServers, prefix) || compatible === undefined) return undefined
  return { spec: compatible, baseUrl: address ?? openaiServers[prefix] }
}
