import { openDirectoryStore } from './directory.ts'
import type { ObjectStore } from './object-store.ts'
import { connectS3Store } from './s3.ts'

/** What the configuration says of storage, with its defaults filled in. */
export type StorageSettings =
  | { readonly driver: 'directory'; readonly path: string }
  | {
      readonly driver: 's3'
      readonly bucket: string
      readonly prefix: string
      readonly endpoint?: string | undefined
      readonly region: string
      readonly forcePathStyle: boolean
      readonly accessKeyId?: string | undefined
      readonly secretAccessKey?: string | undefined
    }

/** Opens the store that the configuration names. The caller closes it. */
export function openObjectStore(settings: StorageSettings): Promise<ObjectStore> {
  if (settings.driver === 'directory') return openDirectoryStore(settings.path)
  const { bucket, prefix, region, forcePathStyle, endpoint, accessKeyId, secretAccessKey } = settings
  return connectS3Store({
    bucket,
    prefix,
    region,
    forcePathStyle,
    ...(endpoint !== undefined && { endpoint }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
  })
}
