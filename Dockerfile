# Every app of Waybill in one image, whose command names the app:
#
#   docker build -t waybill .
#   docker run waybill gateway
#
# Without a command it is `registry`, every role in one process. There is no Postgres in here: DATABASE_URL says where one is.
# It runs as uid 1000 and writes nowhere but in /data, and there only where bytes are kept on a disk: --read-only suits it.

# What decides about the packages, apart from the sources: npm is asked again only where one of these files has changed.
FROM node:24-bookworm-slim AS packages
WORKDIR /packages
COPY . /sources
RUN cd /sources && find . -name 'package*.json' -exec cp --parents '{}' /packages ';' && cp .npmrc /packages

FROM node:24-bookworm-slim AS compiled
WORKDIR /waybill
COPY --from=packages /packages ./
RUN npm ci --ignore-scripts
COPY . ./
RUN node_modules/.bin/tsc -b apps/*
# Node needs what was compiled and the SQL; neither the specs nor what only they import.
RUN rm -r apps/*/src libs/*/src libs/testing \
 && find libs -name testing -prune -exec rm -r '{}' ';' \
 && find apps libs '(' -name '*.spec.js' -o -name '*.d.ts' -o -name '*.map' -o -name '.tsbuildinfo' -o -name tsconfig.json ')' -delete \
 && mkdir /product && cp -r apps libs package.json /product

# Without the optional packages, which are a Postgres for each platform.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /waybill
COPY --from=packages /packages ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional --workspace apps && rm node_modules/@waybill/testing

FROM node:24-bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Waybill" \
      org.opencontainers.image.description="An event-sourced container registry: gateway, services and tools in one image" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim"
# Where an address has no host it is every one of the container's. A container publishes the first port at most.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    WAYBILL_HTTP_ADDRESS=:5000 \
    WAYBILL_METRICS_ADDRESS=:5001 \
    WAYBILL_DATA_DIR=/data
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /waybill/node_modules /waybill/node_modules
COPY --from=compiled /product /waybill
# Each app is a folder here with a package.json, so its name alone is what Node is to run: no shell stands between Docker's signals and it.
WORKDIR /waybill/apps
# `docker compose exec tokens waybill ...` runs the command line.
RUN ln -s /waybill/apps/cli/bin/waybill.mjs /usr/local/bin/waybill
USER node
EXPOSE 5000 5001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "require('node:http').get({ port: (process.env.WAYBILL_METRICS_ADDRESS || ':5001').split(':').at(-1), path: '/healthz' }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# The flags of `npm start`; a test holds the two against each other.
ENTRYPOINT ["node", "--expose-gc", "--no-incremental-marking", "--max-semi-space-size=8", "--heap-growing-percent=60"]
CMD ["registry"]
