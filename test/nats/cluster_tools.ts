// The server of a cluster that leads a stream.

import { connect } from "@nats-io/transport-node";
import type { NatsCluster, NatsServer } from "../../tools/nats_server.ts";
import { until } from "./outage_tools.ts";

const PATIENCE_MS = 30_000;

/**
 * The server that leads a stream. While the stream has no leader, as just after one has stepped down, nobody answers who it
 * is, or the answer names none; so it is asked for until there is one.
 */
export async function streamLeader(cluster: NatsCluster, stream: string): Promise<NatsServer> {
  const connection = await connect({ servers: [...cluster.urls] });
  try {
    let leader: NatsServer | undefined;
    await until(`${stream} has a leader`, async () => {
      const answer = await connection.request(`$JS.API.STREAM.INFO.${stream}`)
        .catch(() => undefined);
      const name = answer?.json<{ cluster?: { leader?: string } }>().cluster?.leader;
      leader = cluster.servers.find((server) => server.name === name);
      return leader !== undefined;
    }, PATIENCE_MS);
    return leader!;
  } finally {
    await connection.close();
  }
}
