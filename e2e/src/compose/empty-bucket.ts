/** A program for a container of blobs: removes every object of the bucket, as whom the service is there. */
export const EMPTY_BUCKET = `
import { Client } from 'minio';

const { WAYBILL_STORAGE_ENDPOINT: endpoint, WAYBILL_STORAGE_BUCKET: bucket, WAYBILL_STORAGE_ACCESS_KEY: accessKey, WAYBILL_STORAGE_SECRET_KEY: secretKey } = process.env;
const { hostname, port } = new URL(endpoint);
const client = new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region: 'us-east-1' });
const names = [];
for await (const { name } of client.listObjectsV2(bucket, '', true)) names.push(name);
await Promise.all(names.map((name) => client.removeObject(bucket, name)));
console.log(names.length);
`;
