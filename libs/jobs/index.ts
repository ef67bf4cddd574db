export { createBullmqQueue } from './bullmq-queue.ts'
export { createBullmqWorker, type JobResult, type JobWorker, type JobWorkerOptions } from './bullmq-worker.ts'
export { Job } from './job.ts'
export type { JobQueue } from './job-queue.ts'
