// A server on version 2 of the TypeScript SDK whose tool answers with the result type of an extension, whoever asks.
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

serveStdio(() => {
  const server = new McpServer({ name: "undeclared", version: "1.0.0" });
  server.registerTool("later", { description: "Answer later" }, async () => ({ resultType: "com.example/later" }));
  return server;
});
