# syntax=docker/dockerfile:1
FROM rust:1.95-bookworm AS build
WORKDIR /build
# dependencies apart from sources: they are built anew only when the lock file changes
COPY Cargo.toml Cargo.lock ./
# how SQLite is compiled
COPY .cargo .cargo
RUN mkdir -p src benches/load config \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs benches/load/main.rs \
    && cp src/main.rs benches/mapping.rs \
    && touch src/lib.rs \
    && cargo build --profile dist --locked \
    && rm -r src benches
COPY src src
COPY benches benches
COPY config config
RUN touch src/main.rs src/lib.rs && cargo build --profile dist --locked

FROM debian:bookworm-slim
# roots for TLS to Serri; the newest, since they expire
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /relay relay \
    && mkdir -p /relay/data \
    && chown relay /relay/data
COPY --from=build /build/target/dist/serri-relay /usr/local/bin/serri-relay
WORKDIR /relay
COPY config config
USER 10001
VOLUME /relay/data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 CMD ["serri-relay", "health"]
ENTRYPOINT ["serri-relay"]
CMD ["serve"]
