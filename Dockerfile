# One image for every role; the command chooses it: up, api, worker, check.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# What is optional is a Node and a Redis for machines without them, and this image has both.
RUN npm ci --ignore-scripts --omit=dev --omit=optional

FROM node:24-bookworm-slim
# For `up` alone; the other roles are given a REDIS_URL.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends redis-server \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY deploy/entrypoint.sh deploy/
COPY config config
COPY libs libs
COPY apps apps
RUN install --directory --owner=node --group=node /data /app/.compile-cache
ENV NODE_ENV=production \
  NODE_COMPILE_CACHE=/app/.compile-cache \
  MILLRACE_DATA_DIR=/data
USER node
# Types are stripped and code is compiled here, once. Node keeps this cache by user id, so it is filled as the user
# that will run.
RUN for app in api worker cli; do node "apps/$app/main.ts" --help > /dev/null || exit 1; done
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["up"]
