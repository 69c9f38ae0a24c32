// Asks the service for an arm as a program on a server and as a page do, with OpenFeature's own packages.
// Arguments: the service's address, a key, a unit. Prints one line of JSON.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature as OnPage } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const [baseUrl, key, unit] = process.argv.slice(2);
const headers = [["Authorization", `Bearer ${key}`]];

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }));
const server = OpenFeature.getClient();
const onServer = await server.getStringDetails("titles", "none", { targetingKey: unit });
const isNew = await server.getBooleanValue("new-page", false, { targetingKey: unit });
const missing = await server.getStringDetails("no-such-flag", "none", { targetingKey: unit });

await OnPage.setContext({ targetingKey: unit, experiments: ["titles"] });
await OnPage.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers, pollInterval: 0 }));
const onPage = OnPage.getClient().getStringDetails("titles", "none");

console.log(JSON.stringify({
  server: onServer.value, reason: onServer.reason, boolean: isNew, page: onPage.value, missing: missing.errorCode,
}));
process.exit(0);
