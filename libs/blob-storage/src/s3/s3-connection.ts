import { S3Calls } from './s3-calls.js';
import type { S3Settings } from './s3-options.js';
import { S3Transport } from './s3-transport.js';

/** The client library is loaded here, so that a registry without S3 does not carry it. Makes no call. */
export async function connect(settings: S3Settings) {
  const { Client, S3Error } = await import('minio');
  const transport = new S3Transport(settings);
  const client = new Client({
    endPoint: settings.host,
    port: settings.port,
    useSSL: settings.secure,
    region: settings.region,
    accessKey: settings.accessKey,
    secretKey: settings.secretKey,
    pathStyle: settings.pathStyle,
    transport: { request: transport.request.bind(transport) },
    transportAgent: transport.agent,
    // Its own retries resend without a look at what happened and print to the console.
    retryOptions: { disableRetry: true },
  });
  // The client decides by the scheme alone; a public field of it, read for every call.
  client.enableSHA256 = settings.signPayload;
  return { client, calls: new S3Calls(client, S3Error, settings, transport.breaker), transport };
}
