import swagger from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { fileInfoSchema, fileMetaSchema } from '../files/records.ts';
import { problemSchema } from './problem.ts';
import type { App } from './routes/app-type.ts';

const components = z.registry<{ id?: string }>();
components.add(fileInfoSchema, { id: 'FileInfo' });
components.add(fileMetaSchema, { id: 'FileMeta' });
components.add(problemSchema, { id: 'Problem' });

interface OverrideContext {
  readonly zodSchema: z.core.$ZodTypes;
  readonly jsonSchema: z.core.JSONSchema.BaseSchema;
}

/** What a transform makes has no schema of its own; ours only put text in order, so that what goes in describes what comes out. */
function describeTransforms({ zodSchema, jsonSchema }: OverrideContext): void {
  const { def } = zodSchema._zod;
  if (def.type === 'undefined') jsonSchema.type = 'null';
  if (def.type !== 'pipe' || def.out._zod.def.type !== 'transform') return;
  const { $schema: _, ...before } = z.toJSONSchema(def.in, { io: 'input' });
  for (const [keyword, value] of Object.entries(before)) jsonSchema[keyword] ??= value;
}

const zodToJsonConfig = { override: describeTransforms };

/** Gathers the OpenAPI document from the schemas of the routes that are added after it. */
export function describeApi(app: App, version: string): void {
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Forebay',
        version,
        description: 'File metadata from process memory, Redis or the database, never staler than stated.',
      },
      tags: [
        { name: 'files', description: 'Records of files and their attributes.' },
        { name: 'cache', description: 'What the caches hold.' },
        { name: 'operations', description: 'For those who run the service.' },
      ],
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Needed when the service was given a token.' } },
      },
    },
    transform: createJsonSchemaTransform({ schemaRegistry: components, zodToJsonConfig }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry: components, zodToJsonConfig }),
  });
}
