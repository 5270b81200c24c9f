using Cdp.Problems;

namespace CdpFunctions.OpenApi;

/// <summary>The components of the OpenAPI document: parameters, headers, keys, and the shapes of bodies.</summary>
internal static class ApiSchemas
{
    /// <summary>As JSON.</summary>
    public static string Components => Text.Replace("\"PROBLEMS\"", string.Join(',', ProblemType.All.Values.Select(type => $"\"{type.Uri}\"").Order(StringComparer.Ordinal)), StringComparison.Ordinal);

    private const string Text = """
        {
          "securitySchemes": {
            "writeKeyAsUser": { "type": "http", "scheme": "basic", "description": "The write key as user name; the password is ignored." },
            "writeKeyAsToken": { "type": "http", "scheme": "bearer", "description": "The write key." },
            "writeKeyInQuery": { "type": "apiKey", "in": "query", "name": "writeKey" },
            "apiKeyAsToken": { "type": "http", "scheme": "bearer", "description": "An API key." },
            "apiKeyAsUser": { "type": "http", "scheme": "basic", "description": "An API key as user name; the password is ignored." }
          },
          "headers": {
            "Cdp-Request-Id": { "description": "Names this request.", "required": true, "schema": { "type": "string" } },
            "Cdp-Merged-From": { "description": "The id that was asked for, where that profile was merged into the one answered.", "schema": { "$ref": "#/components/schemas/ProfileId" } },
            "ETag": { "description": "The version, for If-Match.", "required": true, "schema": { "type": "string" } },
            "Location": { "description": "Where it tells how far it is.", "required": true, "schema": { "type": "string" } },
            "Retry-After": { "description": "When to come back, in seconds.", "required": true, "schema": { "type": "integer", "minimum": 1 } },
            "x-ratelimit-reset": { "description": "The same, for older browser SDKs.", "required": true, "schema": { "type": "integer", "minimum": 1 } }
          },
          "parameters": {
            "path.key": { "name": "key", "in": "path", "required": true, "description": "The profile's id, or {type}:{value} of one of its identifiers, or {type}:~{base64url of the value's UTF-8}, the only form for values with a slash or a leading ~.", "schema": { "type": "string" }, "example": "email:ann@shop.example" },
            "path.type": { "name": "type", "in": "path", "required": true, "schema": { "$ref": "#/components/schemas/PixelType" } },
            "path.writeKey": { "name": "writeKey", "in": "path", "required": true, "schema": { "type": "string" } },
            "path.sourceId": { "name": "sourceId", "in": "path", "required": true, "schema": { "type": "string" } },
            "path.messageId": { "name": "messageId", "in": "path", "required": true, "description": "URL-encoded, or ~{base64url of its UTF-8}.", "schema": { "type": "string", "minLength": 1 } },
            "path.id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } },
            "path.prefix": { "name": "prefix", "in": "path", "required": true, "description": "The key's first characters, as the source shows them, or the whole key.", "schema": { "type": "string" } },
            "path.failureId": { "name": "failureId", "in": "path", "required": true, "schema": { "type": "string" } },
            "path.deliveryId": { "name": "deliveryId", "in": "path", "required": true, "schema": { "type": "string" }, "example": "dlv_01KJX5Z8T3N9V2M6Q4R7S1A0BC" },
            "query.deliveryState": { "name": "state", "in": "query", "schema": { "$ref": "#/components/schemas/DeliveryState" } },
            "query.limit": { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 } },
            "query.cursor": { "name": "cursor", "in": "query", "description": "'next' of the page before, with the same path and filters.", "schema": { "type": "string" } },
            "query.name": { "name": "name", "in": "query", "description": "Names of track calls, exactly.", "schema": { "type": "array", "items": { "type": "string" } } },
            "query.kind": { "name": "kind", "in": "query", "schema": { "type": "array", "items": { "$ref": "#/components/schemas/InteractionKind" } } },
            "query.eventType": { "name": "type", "in": "query", "schema": { "type": "array", "items": { "$ref": "#/components/schemas/EventType" } } },
            "query.outcome": { "name": "outcome", "in": "query", "schema": { "$ref": "#/components/schemas/TriggerOutcome" } },
            "query.ofProfile": { "name": "profile", "in": "query", "description": "Of this profile alone: a key as in paths.", "schema": { "type": "string" } },
            "query.from": { "name": "from", "in": "query", "description": "Inclusive.", "schema": { "type": "string", "format": "date-time" } },
            "query.to": { "name": "to", "in": "query", "description": "Exclusive.", "schema": { "type": "string", "format": "date-time" } },
            "query.sourceId": { "name": "sourceId", "in": "query", "schema": { "type": "string" } },
            "query.pixelType": { "name": "type", "in": "query", "schema": { "$ref": "#/components/schemas/PixelType", "default": "page" } },
            "query.data": { "name": "data", "in": "query", "description": "The event's JSON as base64 or base64url, padding optional.", "schema": { "type": "string" } },
            "query.members": { "name": "members", "in": "query", "style": "form", "explode": true, "description": "Without 'data', every other parameter is a member of the event: properties.a.b=x. Values are strings, a repeated name is a list.", "schema": { "type": "object", "additionalProperties": { "type": "string" } } },
            "query.rows": { "name": "rows", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 100, "default": 20 } },
            "query.profile": { "name": "profile", "in": "query", "required": true, "description": "As in /v1/profiles/{key}.", "schema": { "type": "string" } },
            "query.at": { "name": "at", "in": "query", "description": "Now by default.", "schema": { "type": "string", "format": "date-time" } },
            "header.Content-Encoding": { "name": "Content-Encoding", "in": "header", "schema": { "enum": ["gzip", "identity"] } },
            "header.If-Match": { "name": "If-Match", "in": "header", "description": "Refused where the version is another.", "schema": { "type": "string" } },
            "header.If-None-Match": { "name": "If-None-Match", "in": "header", "description": "With *: refused where there is one.", "schema": { "type": "string" } }
          },
          "schemas": {
            "Anything": {},
            "Time": { "type": "string", "format": "date-time", "description": "UTC with milliseconds.", "example": "2026-01-02T03:04:05.678Z" },
            "ProfileId": { "type": "string", "pattern": "^prf_[0-7][0-9A-HJKMNP-TV-Z]{25}$" },
            "EventType": { "enum": ["track", "identify", "page", "screen", "group", "alias", "merge"] },
            "PixelType": { "enum": ["track", "identify", "page", "screen", "group", "alias"] },
            "Problem": {
              "type": "object",
              "required": ["type", "title", "status", "detail", "requestId"],
              "properties": {
                "type": { "enum": ["PROBLEMS"] },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string", "description": "What was wrong this time, and what to do." },
                "errors": { "type": "array", "items": { "type": "object", "required": ["path", "reason"], "properties": { "path": { "type": "string" }, "reason": { "type": "string" } } } },
                "requestId": { "type": "string" }
              }
            },
            "Id": { "type": ["string", "number", "null"], "description": "A number is taken as its decimal text; a blank string counts as absent." },
            "SentTime": { "type": ["string", "null"], "description": "Of ISO 8601." },
            "Members": {
              "type": "object",
              "description": "What every event may have. All other members are kept too. At most 32 KB and 64 levels. At least one usable identifier: userId, anonymousId, or an e-mail address or phone number in traits, or one in mergeProperties of a merge call.",
              "properties": {
                "messageId": { "type": ["string", "null"], "maxLength": 100, "description": "Counts once per source and profile. Without one a retry cannot be told from a new event." },
                "userId": { "$ref": "#/components/schemas/Id" },
                "anonymousId": { "$ref": "#/components/schemas/Id" },
                "timestamp": { "$ref": "#/components/schemas/SentTime" },
                "originalTimestamp": { "$ref": "#/components/schemas/SentTime" },
                "sentAt": { "$ref": "#/components/schemas/SentTime" },
                "context": { "type": ["object", "null"] },
                "integrations": {},
                "properties": { "type": ["object", "null"] },
                "traits": { "type": ["object", "null"] },
                "writeKey": { "type": "string", "description": "Of single calls, where neither headers nor query name one. Not stored." }
              }
            },
            "Track": { "allOf": [{ "$ref": "#/components/schemas/Members" }], "required": ["event"], "properties": { "type": { "const": "track" }, "event": { "type": "string", "minLength": 1 } } },
            "Identify": { "allOf": [{ "$ref": "#/components/schemas/Members" }], "properties": { "type": { "const": "identify" }, "traits": { "type": ["object", "null"], "description": "The last writer of a trait wins; null deletes it." } } },
            "Page": { "allOf": [{ "$ref": "#/components/schemas/Members" }], "properties": { "type": { "const": "page" } } },
            "Screen": { "allOf": [{ "$ref": "#/components/schemas/Members" }], "properties": { "type": { "const": "screen" } } },
            "Group": { "allOf": [{ "$ref": "#/components/schemas/Members" }], "required": ["groupId"], "properties": { "type": { "const": "group" }, "groupId": { "$ref": "#/components/schemas/Id" }, "traits": { "type": ["object", "null"], "description": "Of the group." } } },
            "Alias": { "allOf": [{ "$ref": "#/components/schemas/Members" }], "required": ["previousId"], "properties": { "type": { "const": "alias" }, "previousId": { "$ref": "#/components/schemas/Id" } } },
            "Merge": {
              "allOf": [{ "$ref": "#/components/schemas/Members" }],
              "required": ["mergeProperties"],
              "properties": {
                "type": { "const": "merge" },
                "mergeProperties": {
                  "type": "array", "minItems": 1, "maxItems": 20,
                  "items": {
                    "type": "object",
                    "required": ["type", "value"],
                    "properties": {
                      "type": { "type": ["string", "number"], "description": "An identifier type or one of its externalIdTypes; 'mobile' is 'phone' too. An entry with any other type is kept and links nobody.", "example": "email" },
                      "value": { "type": ["string", "number"], "example": "ann@shop.example" }
                    }
                  }
                }
              }
            },
            "Batch": {
              "type": "object",
              "required": ["batch"],
              "properties": {
                "batch": {
                  "type": "array", "minItems": 1, "maxItems": 2500,
                  "items": {
                    "required": ["type"],
                    "oneOf": [
                      { "$ref": "#/components/schemas/Track" }, { "$ref": "#/components/schemas/Identify" }, { "$ref": "#/components/schemas/Page" },
                      { "$ref": "#/components/schemas/Screen" }, { "$ref": "#/components/schemas/Group" }, { "$ref": "#/components/schemas/Alias" },
                      { "$ref": "#/components/schemas/Merge" }
                    ]
                  }
                },
                "sentAt": { "$ref": "#/components/schemas/SentTime" },
                "context": { "type": ["object", "null"], "description": "For each event, where it does not say otherwise." },
                "integrations": { "type": ["object", "null"], "description": "The same." },
                "writeKey": { "type": "string" }
              }
            },
            "DeliveryState": { "enum": ["queued", "delivered", "retrying", "dead", "held"] },
            "Subscription": {
              "type": "object",
              "required": ["on"],
              "properties": {
                "on": { "enum": ["segment", "event", "profile"] },
                "segments": { "type": "array", "maxItems": 200, "items": { "$ref": "#/components/schemas/DefinitionId" }, "description": "All where absent." },
                "changes": { "type": "array", "items": { "enum": ["entered", "exited"] }, "description": "Both where absent." },
                "events": { "type": "array", "maxItems": 200, "items": { "type": "string" }, "description": "Names of track calls, or $page, $screen, $identify, $group. All where absent." },
                "filter": { "type": "object", "description": "Of events: paths and tests, as in 'where' of a segment." },
                "traits": { "type": "array", "maxItems": 200, "items": { "type": "string" }, "description": "The traits that leave; of profile changes also those that have to change. All where absent." },
                "mapping": { "type": "object", "description": "The payload: {\"path\":..,\"default\":..}, {\"value\":..} or {\"template\":..} at any place; all else is constant." },
                "requireConsent": { "type": "array", "maxItems": 20, "items": { "type": "string" } },
                "exceptSources": { "type": "array", "maxItems": 20, "items": { "type": "string" }, "description": "What events of these sources cause is not sent. Of hubspot: traits whose last change came by these sources are not written back, whatever else is." }
              }
            },
            "DestinationInput": {
              "type": "object",
              "required": ["type"],
              "properties": {
                "id": { "$ref": "#/components/schemas/DefinitionId" },
                "type": { "enum": ["blob", "hubspot", "pipedrive", "salesforce", "servicebus", "slack", "webhook"] },
                "enabled": { "type": "boolean", "default": true },
                "settings": { "type": "object" },
                "secrets": { "type": "object", "additionalProperties": { "description": "A value, {\"setting\":\"NAME\"} for the setting Cdp__Secrets__NAME, {\"set\":true} to leave it, null to remove it." } },
                "subscriptions": { "type": "array", "maxItems": 50, "items": { "$ref": "#/components/schemas/Subscription" } },
                "limits": { "type": "object", "properties": { "ratePerSecond": { "type": "number", "exclusiveMinimum": 0, "default": 50 }, "batchSize": { "type": "integer", "minimum": 1, "maximum": 200 } } }
              }
            },
            "Destination": {
              "type": "object",
              "required": ["id", "type", "enabled", "settings", "secrets", "subscriptions", "limits"],
              "properties": {
                "id": { "$ref": "#/components/schemas/DefinitionId" },
                "type": { "type": "string" },
                "enabled": { "type": "boolean" },
                "settings": { "type": "object" },
                "secrets": {
                  "type": "object",
                  "additionalProperties": { "type": "object", "required": ["set", "updatedAt"], "properties": { "set": { "const": true }, "updatedAt": { "$ref": "#/components/schemas/Time" }, "setting": { "type": "string" } } }
                },
                "subscriptions": { "type": "array", "items": { "$ref": "#/components/schemas/Subscription" } },
                "limits": { "type": "object", "required": ["ratePerSecond", "batchSize"], "properties": { "ratePerSecond": { "type": "number" }, "batchSize": { "type": "integer" } } },
                "health": {
                  "type": "object",
                  "required": ["breaker", "pending"],
                  "properties": {
                    "breaker": { "enum": ["closed", "open", "half-open"] },
                    "openUntil": { "$ref": "#/components/schemas/Time" },
                    "lastSuccessAt": { "$ref": "#/components/schemas/Time" },
                    "pending": { "type": "integer", "maximum": 10000, "description": "Counted up to 10,000." }
                  }
                }
              }
            },
            "DestinationList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Destination" } }, "next": { "type": "string" } } },
            "DestinationTestInput": {
              "type": "object",
              "properties": {
                "profile": { "type": "string", "description": "Whom it is about, as in /v1/profiles/{key}; somebody made up where absent." },
                "subscription": { "type": "integer", "minimum": 0, "default": 0, "description": "Which of the subscriptions shapes it." }
              }
            },
            "DestinationTest": {
              "type": "object",
              "required": ["outcome", "request", "millis"],
              "properties": {
                "outcome": { "enum": ["delivered", "refused", "retry"] },
                "request": {
                  "type": "object",
                  "required": ["method", "url", "headers", "bytes"],
                  "properties": { "method": { "type": "string" }, "url": { "type": "string" }, "headers": { "type": "object", "additionalProperties": { "type": "string" } }, "bytes": { "type": "integer" }, "body": { "type": "string" } }
                },
                "response": { "type": "object", "required": ["status", "bytes"], "properties": { "status": { "type": "integer" }, "bytes": { "type": "integer" }, "body": { "type": "string" } } },
                "error": { "type": "string" },
                "millis": { "type": "integer" }
              }
            },
            "Delivery": {
              "type": "object",
              "required": ["id", "key", "destinationId", "profileId", "profileVersion", "cause", "state", "attempts"],
              "properties": {
                "id": { "type": "string", "pattern": "^dlv_[0-9A-HJKMNP-TV-Z]{26}$" },
                "key": { "type": "string", "description": "Sent as Idempotency-Key, the same at every try." },
                "destinationId": { "$ref": "#/components/schemas/DefinitionId" },
                "profileId": { "$ref": "#/components/schemas/ProfileId" },
                "profileVersion": { "type": "integer", "description": "Of the profile that was sent last." },
                "cause": { "type": "object", "required": ["type"], "properties": { "type": { "type": "string" }, "segmentId": { "type": "string" }, "messageId": { "type": "string" } } },
                "state": { "$ref": "#/components/schemas/DeliveryState" },
                "attempts": {
                  "type": "array",
                  "description": "The last 20.",
                  "items": {
                    "type": "object",
                    "required": ["n", "at", "request", "millis"],
                    "properties": {
                      "n": { "type": "integer" },
                      "at": { "$ref": "#/components/schemas/Time" },
                      "request": { "type": "object", "properties": { "method": { "type": "string" }, "url": { "type": "string" }, "bytes": { "type": "integer" } } },
                      "response": { "type": "object", "properties": { "status": { "type": "integer" }, "bytes": { "type": "integer" } } },
                      "error": { "type": "string" },
                      "millis": { "type": "integer" }
                    }
                  }
                },
                "nextAttemptAt": { "$ref": "#/components/schemas/Time" },
                "heldBecause": { "type": "string" }
              }
            },
            "DeliveryList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Delivery" } }, "next": { "type": "string" } } },
            "RedriveDeliveries": {
              "type": "object",
              "required": ["from", "to"],
              "properties": { "from": { "$ref": "#/components/schemas/Time" }, "to": { "$ref": "#/components/schemas/Time" }, "state": { "enum": ["dead", "held", "delivered"], "default": "dead" } }
            },
            "Condition": { "type": "object", "description": "See /v1/segments/schema." },
            "DefinitionId": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" },
            "TriggerInput": {
              "type": "object",
              "required": ["on", "send"],
              "properties": {
                "id": { "$ref": "#/components/schemas/DefinitionId" },
                "name": { "type": "string" },
                "enabled": { "type": "boolean", "default": true },
                "on": {
                  "type": "object",
                  "description": "Either segment and change; or event, with where and on as in segments; or sequence, with within, by and expires as in segments.",
                  "properties": {
                    "segment": { "type": "string" },
                    "change": { "enum": ["entered", "exited"], "default": "entered" },
                    "event": { "type": "string", "description": "The name of a track call, or $page, $screen, $identify, $group." },
                    "where": { "type": "object" },
                    "on": { "type": "object" },
                    "sequence": { "type": "array", "items": { "type": "object" }, "description": "Steps; or one step, and a second as {not: step} that is not to follow within the time of 'within'." },
                    "within": { "type": "string" },
                    "by": { "type": "string" },
                    "expires": { "type": "string", "description": "A day after it came about, by default." }
                  }
                },
                "send": {
                  "type": "object",
                  "required": ["destination"],
                  "properties": {
                    "destination": { "type": "string" },
                    "traits": { "type": "array", "items": { "type": "string" }, "description": "Those that leave; all by default." },
                    "mapping": { "type": "object", "description": "As in subscriptions of destinations. 'event' is the event that set the trigger off; of a cart, the last addition." }
                  }
                },
                "channel": { "type": "string" },
                "requireConsent": { "type": "array", "items": { "type": "string" } },
                "every": { "type": "string", "description": "A duration: once per person in so long. Absent: every time." }
              }
            },
            "Trigger": {
              "allOf": [{ "$ref": "#/components/schemas/TriggerInput" }],
              "required": ["id", "enabled", "createdAt", "updatedAt"],
              "properties": { "createdAt": { "$ref": "#/components/schemas/Time" }, "updatedAt": { "$ref": "#/components/schemas/Time" } }
            },
            "TriggerList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Trigger" } }, "next": { "type": "string" } } },
            "ChannelInput": {
              "type": "object",
              "properties": {
                "id": { "$ref": "#/components/schemas/DefinitionId" },
                "name": { "type": "string" },
                "caps": {
                  "type": "array",
                  "description": "All hold, over all triggers of the channel together.",
                  "items": { "type": "object", "required": ["count", "per"], "properties": { "count": { "type": "integer", "minimum": 1, "maximum": 100 }, "per": { "type": "string" } } }
                },
                "requireConsent": { "type": "array", "items": { "type": "string" } },
                "quietHours": { "type": "object", "description": "Days, hours and timeZone, as 'on' in segments: what comes about then waits until they are over." }
              }
            },
            "Channel": {
              "allOf": [{ "$ref": "#/components/schemas/ChannelInput" }],
              "required": ["id", "caps", "createdAt", "updatedAt"],
              "properties": { "createdAt": { "$ref": "#/components/schemas/Time" }, "updatedAt": { "$ref": "#/components/schemas/Time" } }
            },
            "ChannelList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Channel" } }, "next": { "type": "string" } } },
            "TriggerOutcome": { "enum": ["sent", "held", "waiting"] },
            "TriggerLog": {
              "type": "object",
              "required": ["data"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["at", "triggerId", "profileId", "outcome", "decidedAt"],
                    "properties": {
                      "at": { "$ref": "#/components/schemas/Time" },
                      "triggerId": { "type": "string" },
                      "profileId": { "$ref": "#/components/schemas/ProfileId" },
                      "outcome": { "$ref": "#/components/schemas/TriggerOutcome" },
                      "reason": { "type": "string", "description": "Of what is held or waits: historical, too-late, no-destination, destination-disabled, no-channel:{channel}, no-longer, consent:{category}, period, cap:{channel}, quiet-hours:{channel}." },
                      "decidedAt": { "$ref": "#/components/schemas/Time" },
                      "channel": { "type": "string" },
                      "messageId": { "type": "string" },
                      "destinationId": { "type": "string" },
                      "deliveryId": { "type": "string" }
                    }
                  }
                },
                "next": { "type": "string" }
              }
            },
            "SegmentInput": {
              "type": "object",
              "required": ["where"],
              "properties": {
                "id": { "$ref": "#/components/schemas/DefinitionId" },
                "name": { "type": "string" },
                "description": { "type": "string" },
                "where": { "$ref": "#/components/schemas/Condition" },
                "export": { "type": "object" },
                "backfill": { "type": "object", "properties": { "notify": { "type": "boolean", "default": false } } }
              }
            },
            "Segment": {
              "allOf": [{ "$ref": "#/components/schemas/SegmentInput" }],
              "required": ["id", "name", "version", "createdAt", "updatedAt"],
              "properties": {
                "version": { "type": "integer" },
                "createdAt": { "$ref": "#/components/schemas/Time" },
                "updatedAt": { "$ref": "#/components/schemas/Time" },
                "state": { "enum": ["backfilling", "live"], "description": "This and what follows only where one segment is read." },
                "progress": { "type": "object", "required": ["done", "total"], "properties": { "done": { "type": "integer" }, "total": { "type": "integer", "description": "Estimated." } } },
                "members": { "type": "object", "required": ["count"], "properties": { "count": { "type": "integer" }, "version": { "type": "integer", "description": "That all of them are members by." } } }
              }
            },
            "ByType": { "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } } },
            "MemberList": {
              "type": "object",
              "required": ["data", "definitionVersion"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["profileId", "since", "identifiers"],
                    "properties": { "profileId": { "$ref": "#/components/schemas/ProfileId" }, "since": { "$ref": "#/components/schemas/Time" }, "identifiers": { "$ref": "#/components/schemas/ByType" } }
                  }
                },
                "definitionVersion": { "type": "integer", "description": "While a new version is brought in, the oldest that anybody on the page is a member by." },
                "next": { "type": "string" }
              }
            },
            "Explanation": {
              "type": "object",
              "required": ["segmentId", "definitionVersion", "profileId", "member", "evaluatedAt", "tree"],
              "properties": {
                "segmentId": { "type": "string" },
                "definitionVersion": { "type": "integer" },
                "profileId": { "$ref": "#/components/schemas/ProfileId" },
                "member": { "type": "boolean" },
                "evaluatedAt": { "$ref": "#/components/schemas/Time" },
                "nextChangeAt": { "$ref": "#/components/schemas/Time" },
                "tree": { "type": "object" }
              }
            },
            "PreviewInput": {
              "type": "object",
              "required": ["where"],
              "properties": {
                "where": { "$ref": "#/components/schemas/Condition" },
                "mode": { "enum": ["exact", "sample"], "default": "exact" },
                "sample": { "type": "integer", "minimum": 1, "maximum": 20000, "default": 2000 }
              }
            },
            "Preview": {
              "type": "object",
              "required": ["mode", "size", "scanned", "of", "examples", "evaluatedAt"],
              "properties": {
                "mode": { "enum": ["exact", "sample"] },
                "size": { "type": "integer" },
                "interval": { "type": "object", "properties": { "low": { "type": "integer" }, "high": { "type": "integer" }, "confidence": { "type": "number" } } },
                "scanned": { "type": "integer" },
                "of": { "type": "integer" },
                "examples": { "type": "array", "items": { "type": "object", "properties": { "profileId": { "$ref": "#/components/schemas/ProfileId" }, "identifiers": { "$ref": "#/components/schemas/ByType" } } } },
                "evaluatedAt": { "$ref": "#/components/schemas/Time" }
              }
            },
            "ExportFields": { "type": "array", "maxItems": 200, "items": { "type": "string", "description": "An identifier type (email; email[] for all values), traits.x, the id of a computed trait, or one of profileId, identifiers, traits, computedTraits, segments, createdAt, firstSeenAt, lastSeenAt." } },
            "ExportMode": { "enum": ["full", "delta"], "description": "A delta is what changed since the previous one that was done." },
            "ExportInput": {
              "type": "object",
              "description": "What is not said is as in the segment's definition, else csv, full, gzip and the profile's id alone.",
              "properties": { "format": { "enum": ["csv", "jsonl"] }, "mode": { "$ref": "#/components/schemas/ExportMode" }, "compression": { "enum": ["gzip", "none"] }, "fields": { "$ref": "#/components/schemas/ExportFields" } }
            },
            "ProfilesExportInput": {
              "type": "object",
              "description": "What is not said is as in the export every night: jsonl, full, gzip and all there is of a profile.",
              "properties": { "format": { "enum": ["csv", "jsonl"] }, "mode": { "$ref": "#/components/schemas/ExportMode" }, "compression": { "enum": ["gzip", "none"] }, "fields": { "$ref": "#/components/schemas/ExportFields" } }
            },
            "Export": {
              "type": "object",
              "required": ["id", "segmentId", "state", "mode", "asOf", "rows", "parts", "startedAt"],
              "properties": {
                "id": { "type": "string", "pattern": "^exp_[0-7][0-9A-HJKMNP-TV-Z]{25}$" },
                "segmentId": { "type": "string", "description": "_profiles where it is about all profiles." },
                "state": { "enum": ["running", "done", "failed"] },
                "reason": { "type": "string", "description": "Why it failed." },
                "mode": { "$ref": "#/components/schemas/ExportMode" },
                "since": { "type": "string", "description": "The export that a delta is against; absent where there was none." },
                "definitionVersion": { "type": "integer" },
                "asOf": { "$ref": "#/components/schemas/Time" },
                "rows": { "type": "integer", "description": "So far." },
                "parts": { "type": "integer" },
                "startedAt": { "$ref": "#/components/schemas/Time" },
                "completedAt": { "$ref": "#/components/schemas/Time" },
                "download": {
                  "type": "object",
                  "required": ["expiresAt", "manifest", "parts"],
                  "properties": { "expiresAt": { "$ref": "#/components/schemas/Time" }, "manifest": { "type": "string", "format": "uri" }, "parts": { "type": "array", "items": { "type": "string", "format": "uri" } } }
                }
              }
            },
            "ExportList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Export" } }, "next": { "type": "string" } } },
            "PreviewJob": {
              "type": "object",
              "required": ["id", "state", "requestedAt"],
              "properties": {
                "id": { "type": "string" },
                "state": { "enum": ["queued", "running", "done", "failed"] },
                "requestedAt": { "$ref": "#/components/schemas/Time" },
                "progress": { "type": "object", "description": "Until it is done.", "required": ["done"], "properties": { "done": { "type": "integer" }, "total": { "type": "integer", "description": "Estimated." } } },
                "mode": { "enum": ["exact"] },
                "size": { "type": "integer" },
                "scanned": { "type": "integer" },
                "of": { "type": "integer" },
                "examples": { "type": "array", "items": { "type": "object", "properties": { "profileId": { "$ref": "#/components/schemas/ProfileId" }, "identifiers": { "$ref": "#/components/schemas/ByType" } } } },
                "evaluatedAt": { "$ref": "#/components/schemas/Time" },
                "reason": { "type": "string", "description": "Why it failed." }
              }
            },
            "OverlapInput": {
              "type": "object",
              "required": ["segments"],
              "properties": {
                "segments": { "type": "array", "minItems": 1, "maxItems": 5, "items": { "$ref": "#/components/schemas/DefinitionId" } },
                "where": { "$ref": "#/components/schemas/Condition" }
              }
            },
            "Overlap": {
              "type": "object",
              "required": ["mode", "segments", "intersection", "union", "pairs", "evaluatedAt"],
              "properties": {
                "mode": { "enum": ["exact", "sample"] },
                "segments": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["id", "size", "only"],
                    "properties": {
                      "id": { "type": "string", "description": "'preview' for the condition that is not saved." },
                      "state": { "enum": ["live", "backfilling"] },
                      "size": { "type": "integer" },
                      "only": { "type": "integer", "description": "Who is in none of the others." }
                    }
                  }
                },
                "intersection": { "type": "integer" },
                "union": { "type": "integer" },
                "jaccard": { "type": "number", "description": "The intersection's share of the union; absent where that is empty." },
                "pairs": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["segments", "intersection", "union"],
                    "properties": {
                      "segments": { "type": "array", "items": { "type": "string" } },
                      "intersection": { "type": "integer" },
                      "union": { "type": "integer" },
                      "jaccard": { "type": "number" }
                    }
                  }
                },
                "scanned": { "type": "integer" },
                "of": { "type": "integer" },
                "evaluatedAt": { "$ref": "#/components/schemas/Time" }
              }
            },
            "SegmentList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Segment" } }, "next": { "type": "string" } } },
            "SegmentTemplates": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/SegmentInput" } } } },
            "ComputedTraitInput": {
              "type": "object",
              "required": ["event", "compute"],
              "properties": {
                "id": { "$ref": "#/components/schemas/DefinitionId" },
                "name": { "type": "string" },
                "description": { "type": "string" },
                "event": { "type": "string" },
                "where": { "type": "object" },
                "on": { "type": "object" },
                "within": { "type": "string" },
                "between": { "type": "object" },
                "compute": { "enum": ["count", "sum", "average", "min", "max", "first", "last", "mostFrequent", "uniqueList", "daysSince"] },
                "of": { "type": "string" }
              }
            },
            "ComputedTrait": {
              "allOf": [{ "$ref": "#/components/schemas/ComputedTraitInput" }],
              "required": ["id", "name", "version", "createdAt", "updatedAt"],
              "properties": {
                "version": { "type": "integer" },
                "createdAt": { "$ref": "#/components/schemas/Time" },
                "updatedAt": { "$ref": "#/components/schemas/Time" }
              }
            },
            "ComputedTraitList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/ComputedTrait" } }, "next": { "type": "string" } } },
            "Collected": { "type": "object", "required": ["success"], "properties": { "success": { "const": true } } },
            "CollectedBatch": {
              "type": "object",
              "required": ["success", "accepted", "rejected"],
              "properties": {
                "success": { "const": true },
                "accepted": { "type": "integer" },
                "rejected": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["index", "type", "detail"],
                    "properties": { "index": { "type": "integer" }, "messageId": { "type": "string" }, "type": { "type": "string", "example": "/problems/event-too-large" }, "detail": { "type": "string" } }
                  }
                }
              }
            },
            "ImportInput": {
              "type": "object",
              "required": ["sourceId", "format"],
              "properties": {
                "sourceId": { "type": "string" },
                "format": { "enum": ["csv", "jsonl"], "description": "csv: a header names the columns. jsonl: an event as /v1/batch takes it, or with a mapping any object, on each line." },
                "delimiter": { "enum": [",", ";", "\t", "|"], "default": ",", "description": "Of a CSV." },
                "mapping": { "type": "object", "description": "How rows become events; without one the columns of a CSV are paths of an event: userId, traits.email, properties.total:number." },
                "startOnUpload": { "type": "boolean", "default": true, "description": "Where the storage tells of uploads. Otherwise only /start starts it." }
              }
            },
            "SignedLink": { "type": "object", "required": ["url", "expiresAt"], "properties": { "url": { "type": "string", "format": "uri" }, "expiresAt": { "$ref": "#/components/schemas/Time" } } },
            "Import": {
              "allOf": [{ "$ref": "#/components/schemas/ImportInput" }],
              "required": ["id", "state", "rows", "accepted", "rejected", "createdAt"],
              "properties": {
                "id": { "type": "string", "example": "imp_01J8ZQ4K3V5N6P7Q8R9S0T1V2W" },
                "state": { "enum": ["waiting", "running", "done", "failed"] },
                "reason": { "type": "string", "description": "Why it failed, and what to do." },
                "progress": { "type": "object", "required": ["bytes", "of"], "properties": { "bytes": { "type": "integer" }, "of": { "type": "integer" } } },
                "rows": { "type": "integer", "description": "Read so far." },
                "accepted": { "type": "integer", "description": "Events that were queued." },
                "rejected": { "type": "integer", "description": "Rows, or events of rows, that could not be taken." },
                "createdAt": { "$ref": "#/components/schemas/Time" },
                "startedAt": { "$ref": "#/components/schemas/Time" },
                "completedAt": { "$ref": "#/components/schemas/Time" },
                "upload": { "$ref": "#/components/schemas/SignedLink" },
                "report": { "$ref": "#/components/schemas/SignedLink" },
                "unreported": { "type": "integer", "description": "Rejections that found no room in the report." }
              }
            },
            "ImportList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Import" } }, "next": { "type": "string" } } },
            "ImportPreview": {
              "type": "object",
              "required": ["rows"],
              "properties": {
                "rows": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["line", "events", "rejected"],
                    "properties": {
                      "line": { "type": "integer" },
                      "events": { "type": "array", "items": { "type": "object" }, "description": "As they would be stored." },
                      "rejected": { "type": "array", "items": { "type": "object", "required": ["type", "detail"], "properties": { "type": { "type": "string" }, "detail": { "type": "string" } } } }
                    }
                  }
                },
                "reason": { "type": "string", "description": "Why the import would fail as a whole." }
              }
            },
            "ClientSettings": { "type": "object", "required": ["integrations"], "properties": { "integrations": { "type": "object" } } },
            "SourceConfig": { "type": "object", "required": ["source"], "properties": { "source": { "type": "object" } } },
            "Identifier": { "type": "object", "required": ["type", "value"], "properties": { "type": { "type": "string", "example": "user_id" }, "value": { "type": "string" } } },
            "Lookup": { "$ref": "#/components/schemas/Identifier" },
            "Profile": {
              "type": "object",
              "required": ["id", "version", "identified", "identifiers", "traits", "counts"],
              "properties": {
                "id": { "$ref": "#/components/schemas/ProfileId" },
                "version": { "type": "integer" },
                "identified": { "type": "boolean" },
                "createdAt": { "$ref": "#/components/schemas/Time" },
                "firstSeenAt": { "$ref": "#/components/schemas/Time" },
                "lastSeenAt": { "$ref": "#/components/schemas/Time" },
                "identifiers": { "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } }, "example": { "user_id": ["u1"], "email": ["ann@shop.example"] } },
                "traits": { "type": "object" },
                "computedTraits": { "type": "object", "description": "As of now. Absent, like segments, as long as nothing was ever defined." },
                "segments": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["id", "since", "definitionVersion"],
                    "properties": { "id": { "type": "string" }, "since": { "$ref": "#/components/schemas/Time" }, "definitionVersion": { "type": "integer" } }
                  }
                },
                "counts": { "type": "object", "required": ["events"], "properties": { "events": { "type": "integer" } } },
                "mergedFrom": { "type": "array", "items": { "$ref": "#/components/schemas/ProfileId" } }
              }
            },
            "Traits": {
              "type": "object",
              "required": ["data"],
              "properties": {
                "data": {
                  "type": "object",
                  "additionalProperties": {
                    "type": "object",
                    "required": ["value", "at", "sourceId", "messageId"],
                    "properties": { "value": {}, "at": { "$ref": "#/components/schemas/Time" }, "sourceId": { "type": "string" }, "messageId": { "type": "string" } }
                  }
                }
              }
            },
            "Identities": {
              "type": "object",
              "required": ["data", "merges", "decisions"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "allOf": [{ "$ref": "#/components/schemas/Identifier" }],
                    "required": ["firstSeenAt", "lastSeenAt", "sourceId", "messageId", "state"],
                    "properties": {
                      "firstSeenAt": { "$ref": "#/components/schemas/Time" }, "lastSeenAt": { "$ref": "#/components/schemas/Time" },
                      "sourceId": { "type": "string" }, "messageId": { "type": "string" }, "state": { "enum": ["active", "quarantined", "rejected"] }
                    }
                  }
                },
                "merges": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["id", "winner", "loser", "at", "messageId", "link", "state"],
                    "properties": {
                      "id": { "type": "string" }, "winner": { "$ref": "#/components/schemas/ProfileId" }, "loser": { "$ref": "#/components/schemas/ProfileId" },
                      "at": { "$ref": "#/components/schemas/Time" }, "messageId": { "type": "string" },
                      "link": { "type": "array", "minItems": 2, "maxItems": 2, "items": { "$ref": "#/components/schemas/Identifier" } },
                      "state": { "enum": ["fencing", "copying", "done", "undone"] }, "undoneAt": { "$ref": "#/components/schemas/Time" }
                    }
                  }
                },
                "decisions": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["at", "messageId", "identifier", "action", "rule"],
                    "properties": {
                      "at": { "$ref": "#/components/schemas/Time" }, "messageId": { "type": "string" }, "identifier": { "$ref": "#/components/schemas/Identifier" },
                      "action": { "type": "string", "example": "dropped" }, "rule": { "type": "string", "example": "user_id.limit" }
                    }
                  }
                }
              }
            },
            "Unmerge": { "type": "object", "required": ["mergeId"], "properties": { "mergeId": { "type": "string", "example": "mrg_01J8ZQ4K3V5N6P7Q8R9S0T1V2W" } } },
            "Unmerging": {
              "type": "object",
              "required": ["mergeId", "state", "profiles"],
              "properties": {
                "mergeId": { "type": "string" }, "state": { "enum": ["undoing", "undone"] },
                "profiles": { "type": "array", "minItems": 2, "maxItems": 2, "items": { "$ref": "#/components/schemas/ProfileId" } }
              }
            },
            "UnmergingAll": { "type": "object", "required": ["state", "mergeIds"], "properties": { "state": { "const": "undoing" }, "mergeIds": { "type": "array", "items": { "type": "string" } } } },
            "Quarantined": {
              "allOf": [{ "$ref": "#/components/schemas/Identifier" }],
              "required": ["at", "messageId", "rule", "profileId"],
              "properties": {
                "at": { "$ref": "#/components/schemas/Time" }, "messageId": { "type": "string" }, "rule": { "type": "string", "example": "email.quarantine.phone" },
                "profileId": { "$ref": "#/components/schemas/ProfileId" }
              }
            },
            "QuarantineList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Quarantined" } }, "next": { "type": "string" } } },
            "IdentityRules": {
              "type": "object",
              "required": ["types"],
              "properties": {
                "version": { "type": "integer", "description": "Grows with every change; what a PUT says of it is passed over." },
                "sharedIdentifiers": { "enum": ["own", "first", "latest"], "default": "own", "description": "Where events go that carry only an identifier which two different people have used." },
                "types": {
                  "type": "array", "maxItems": 30,
                  "items": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                      "type": { "type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$" },
                      "priority": { "type": "integer", "minimum": 1, "maximum": 1000, "description": "Smaller is stronger." },
                      "unique": { "type": "boolean", "description": "Two different values never meet in one profile." },
                      "limit": { "type": "object", "required": ["count"], "properties": { "count": { "type": "integer", "minimum": 1, "maximum": 1000 }, "per": { "enum": ["ever", "day", "week", "month", "year"] } } },
                      "normalise": { "enum": ["trim", "lower", "email", "phone", "digits", "sha256"] },
                      "countryCode": { "type": "string", "description": "Of phone numbers: put in front of national ones." },
                      "paths": { "type": "array", "items": { "type": "string", "example": "traits.email" } },
                      "externalIdTypes": { "type": "array", "items": { "type": "string" }, "description": "Its other names in context.externalIds." },
                      "blocked": { "type": "object", "properties": { "values": { "type": "array", "items": { "type": "string" } }, "patterns": { "type": "array", "items": { "type": "string" } }, "defaults": { "type": "boolean", "default": true } } },
                      "mergeSources": { "oneOf": [{ "enum": ["any", "server"] }, { "type": "array", "items": { "type": "string" } }], "description": "Which sources may join two profiles by it." },
                      "quarantineAfter": { "type": "integer", "minimum": 0, "description": "Values of one other type; 0 is never." }
                    }
                  }
                }
              }
            },
            "StoredEvent": {
              "type": "object",
              "description": "As the sender sent it, with what the server adds.",
              "required": ["type", "messageId", "sourceId", "timestamp", "receivedAt", "firstProfileId"],
              "properties": {
                "type": { "$ref": "#/components/schemas/EventType" }, "messageId": { "type": "string" }, "sourceId": { "type": "string" },
                "timestamp": { "$ref": "#/components/schemas/Time" }, "originalTimestamp": { "type": "string" }, "receivedAt": { "$ref": "#/components/schemas/Time" },
                "firstProfileId": { "$ref": "#/components/schemas/ProfileId" },
                "segmentChanges": {
                  "type": "array",
                  "description": "What changed by this event.",
                  "items": { "type": "object", "required": ["id", "change"], "properties": { "id": { "type": "string" }, "change": { "enum": ["entered", "exited"] } } }
                }
              }
            },
            "Events": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/StoredEvent" } }, "next": { "type": "string" } } },
            "MessageStatus": {
              "type": "object",
              "required": ["messageId", "sourceId", "outcome"],
              "properties": {
                "messageId": { "type": "string" }, "sourceId": { "type": "string" }, "outcome": { "enum": ["queued", "committed", "duplicate", "suppressed", "erased", "failed"] },
                "profileId": { "$ref": "#/components/schemas/ProfileId" }, "at": { "$ref": "#/components/schemas/Time" }, "reason": { "type": "string" }
              }
            },
            "Stats": {
              "type": "object",
              "required": ["from", "to", "events", "profiles", "queues", "conflicts", "merges"],
              "properties": {
                "from": { "$ref": "#/components/schemas/Time" }, "to": { "$ref": "#/components/schemas/Time" },
                "events": {
                  "type": "object",
                  "required": ["received", "accepted", "rejected", "committed", "duplicates", "failed"],
                  "properties": {
                    "received": { "type": "integer" }, "accepted": { "type": "integer" }, "rejected": { "type": "object", "additionalProperties": { "type": "integer" } },
                    "committed": { "type": "integer" }, "duplicates": { "type": "integer" }, "failed": { "type": "integer" }
                  }
                },
                "profiles": { "type": "object", "required": ["total", "identified"], "properties": { "total": { "type": "integer" }, "identified": { "type": "integer" } } },
                "queues": {
                  "type": "array",
                  "items": {
                    "type": "object", "required": ["name", "messages", "poison"],
                    "properties": { "name": { "type": "string" }, "messages": { "type": "integer" }, "oldestSeconds": { "type": "integer" }, "poison": { "type": "integer" } }
                  }
                },
                "latencySeconds": { "type": "object", "required": ["p50", "p99"], "properties": { "p50": { "type": "number" }, "p99": { "type": "number" } } },
                "conflicts": { "type": "integer" },
                "merges": { "type": "integer" }
              }
            },
            "Health": { "type": "object", "required": ["status"], "properties": { "status": { "const": "ok" } } },
            "SourceInput": {
              "type": "object",
              "properties": {
                "id": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$", "description": "That of the path." },
                "name": { "type": "string", "maxLength": 200 },
                "type": { "enum": ["http", "webhook"], "default": "http" },
                "enabled": { "type": "boolean", "default": true },
                "trust": { "enum": ["client", "server"], "default": "client", "description": "A client source never joins two profiles that each have a user id." },
                "origins": { "type": ["array", "null"], "items": { "type": "string", "example": "https://shop.example" }, "description": "Pages that may send; any where none is listed." },
                "rateLimit": {
                  "type": ["object", "null"], "required": ["eventsPerSecond"],
                  "properties": { "eventsPerSecond": { "type": "number", "exclusiveMinimum": 0, "maximum": 1000000 }, "scope": { "const": "instance" } }
                },
                "fieldRules": {
                  "type": ["array", "null"],
                  "items": { "type": "object", "required": ["path", "action"], "properties": { "path": { "type": "string", "example": "context.ip" }, "action": { "const": "drop" } } }
                },
                "mapping": { "oneOf": [{ "$ref": "#/components/schemas/Mapping" }, { "type": "null" }] },
                "signature": {
                  "type": ["object", "null"],
                  "description": "How webhooks of the source show that they are its; without it they need a write key.",
                  "required": ["scheme"],
                  "properties": {
                    "scheme": { "enum": ["shopify", "stripe", "github", "hubspot", "bearer", "basic"] },
                    "secret": { "$ref": "#/components/schemas/Secret" },
                    "user": { "type": "string", "description": "The user name of basic; the secret is the password." },
                    "toleranceSeconds": { "type": "integer", "minimum": 1, "maximum": 3600, "default": 300, "description": "How far a signed time may be from now; of stripe and hubspot." }
                  }
                }
              }
            },
            "InteractionKind": { "enum": ["call", "email", "meeting", "note", "deal", "ticket"] },
            "InteractionInput": {
              "type": "object",
              "required": ["kind", "person"],
              "properties": {
                "messageId": { "type": ["string", "null"], "maxLength": 100, "description": "Counts once. Without one a repetition is another interaction." },
                "kind": { "enum": ["call", "email", "meeting", "note"] },
                "person": { "type": "object", "required": ["type", "value"], "properties": { "type": { "type": "string", "example": "email" }, "value": { "type": "string" } } },
                "direction": { "enum": ["inbound", "outbound", null] },
                "outcome": { "type": ["string", "null"], "maxLength": 200 },
                "subject": { "type": ["string", "null"], "maxLength": 1000 },
                "text": { "type": ["string", "null"], "maxLength": 20000 },
                "by": { "type": ["string", "null"], "maxLength": 200, "description": "Who of the company." },
                "at": { "$ref": "#/components/schemas/SentTime" },
                "durationSeconds": { "type": ["number", "null"], "minimum": 0, "maximum": 2592000 },
                "properties": { "type": ["object", "null"] }
              }
            },
            "Recorded": { "type": "object", "required": ["success", "sourceId", "messageId"], "properties": { "success": { "const": true }, "sourceId": { "type": "string" }, "messageId": { "type": "string" } } },
            "Interactions": {
              "type": "object",
              "required": ["data"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["kind", "at", "messageId", "sourceId"],
                    "properties": {
                      "kind": { "$ref": "#/components/schemas/InteractionKind" }, "event": { "type": "string" }, "at": { "$ref": "#/components/schemas/Time" },
                      "messageId": { "type": "string" }, "sourceId": { "type": "string" },
                      "direction": { "type": "string" }, "outcome": { "type": "string" }, "by": { "type": "string" }, "subject": { "type": "string" }, "text": { "type": "string" }, "stage": { "type": "string" },
                      "properties": { "type": "object" }
                    }
                  }
                },
                "next": { "type": "string" }
              }
            },
            "Secret": {
              "description": "Sent: the text, or the name of a setting below Cdp__Secrets__. Answered: that it is set, and when it was. What was answered may be sent again and changes nothing.",
              "oneOf": [
                { "type": "string", "minLength": 1, "writeOnly": true },
                { "type": "object", "properties": { "set": { "const": true }, "updatedAt": { "$ref": "#/components/schemas/Time" }, "setting": { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,63}$" } } }
              ]
            },
            "Mapping": {
              "type": "object",
              "description": "How payloads become events; /v1/mapping-schema has its JSON Schema.",
              "properties": {
                "preset": { "type": "string", "example": "shopify", "description": "One of /v1/mapping-presets." },
                "without": { "type": "array", "items": { "type": "string" }, "description": "Events of the preset that are left out." },
                "events": { "type": "array", "items": { "type": "object" } }
              }
            },
            "MappingPreviewInput": {
              "type": "object",
              "required": ["payload"],
              "properties": {
                "payload": { "description": "What the sender would send." },
                "headers": { "type": ["object", "null"], "additionalProperties": { "type": "string" } },
                "mapping": { "$ref": "#/components/schemas/Mapping", "description": "To be tried before it is saved; the source's own by default." }
              }
            },
            "MappingPreview": {
              "type": "object",
              "required": ["events", "rejected", "skipped"],
              "properties": {
                "events": { "type": "array", "items": { "type": "object", "required": ["index", "rule", "event"], "properties": { "index": { "type": "integer" }, "rule": { "type": "string" }, "event": { "type": "object", "description": "As it would be stored." } } } },
                "rejected": { "type": "array", "items": { "type": "object", "required": ["index", "rule", "type", "detail"], "properties": { "index": { "type": "integer" }, "rule": { "type": "string" }, "messageId": { "type": "string" }, "type": { "type": "string" }, "detail": { "type": "string" } } } },
                "skipped": { "type": "array", "items": { "type": "object", "required": ["rule", "reason"], "properties": { "rule": { "type": "string" }, "reason": { "type": "string" } } } }
              }
            },
            "MappingPresetList": {
              "type": "object",
              "required": ["data"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["preset", "title", "mapping"],
                    "properties": {
                      "preset": { "type": "string" }, "title": { "type": "string" }, "signature": { "type": "object" },
                      "identifiers": { "type": "array", "items": { "type": "object" }, "description": "Identifier types that its events use, for PUT /v1/identity-rules." },
                      "mapping": { "$ref": "#/components/schemas/Mapping" }
                    }
                  }
                }
              }
            },
            "Source": {
              "allOf": [{ "$ref": "#/components/schemas/SourceInput" }],
              "required": ["id", "name", "type", "enabled", "writeKeys"],
              "properties": {
                "writeKeys": {
                  "type": "array",
                  "items": { "type": "object", "required": ["prefix", "createdAt", "enabled"], "properties": { "prefix": { "type": "string" }, "createdAt": { "$ref": "#/components/schemas/Time" }, "enabled": { "type": "boolean" } } }
                }
              }
            },
            "SourceList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Source" } }, "next": { "type": "string" } } },
            "TrackingPlan": {
              "type": "object",
              "required": ["events"],
              "properties": {
                "onViolation": { "enum": ["allow", "block"], "default": "allow", "description": "What happens to an event that contradicts what is said of its name. Counted it is either way." },
                "unplanned": { "enum": ["allow", "block"], "default": "allow", "description": "The same for track calls whose name is not listed." },
                "events": {
                  "type": "array", "maxItems": 500,
                  "items": {
                    "type": "object",
                    "required": ["event"],
                    "properties": {
                      "event": { "type": "string", "maxLength": 200, "description": "The name of a track call, or $page, $screen, $identify, $group.", "example": "Order Completed" },
                      "onViolation": { "enum": ["allow", "block"], "description": "Of this name, if other than the plan's." },
                      "properties": {
                        "type": "array", "maxItems": 200,
                        "items": {
                          "type": "object",
                          "required": ["path"],
                          "properties": {
                            "path": { "type": "string", "description": "Below properties, traits or context; [] is each element of a list.", "example": "properties.products[].price" },
                            "types": { "type": "array", "items": { "enum": ["string", "number", "boolean", "time", "list", "object"] }, "description": "One of these; any where none is listed. A time is a string too." },
                            "required": { "type": "boolean", "default": false, "description": "Null is not there." }
                          }
                        }
                      }
                    }
                  }
                }
              }
            },
            "ViolationList": {
              "type": "object",
              "required": ["data"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["event", "path", "kind", "count", "blocked", "firstSeenAt", "lastSeenAt"],
                    "properties": {
                      "event": { "type": "string" }, "path": { "type": "string" }, "kind": { "enum": ["unplanned-event", "missing", "wrong-type"] },
                      "count": { "type": "integer", "description": "Approximate." }, "blocked": { "type": "integer" },
                      "firstSeenAt": { "$ref": "#/components/schemas/Time" }, "lastSeenAt": { "$ref": "#/components/schemas/Time" },
                      "messageId": { "type": "string", "description": "Of the last one." }
                    }
                  }
                }
              }
            },
            "Seen": {
              "type": "object",
              "required": ["count", "types", "firstSeenAt", "lastSeenAt", "sources", "examples", "forms"],
              "properties": {
                "count": { "type": "integer", "description": "Approximate." },
                "types": { "type": "object", "additionalProperties": { "type": "integer" }, "example": { "string": 90, "null": 3 } },
                "firstSeenAt": { "$ref": "#/components/schemas/Time" }, "lastSeenAt": { "$ref": "#/components/schemas/Time" },
                "sources": { "type": "array", "items": { "type": "string" } },
                "examples": { "type": "array", "items": { "type": ["string", "number"] }, "description": "Short numbers, and texts that at least five profiles had." },
                "forms": { "type": "array", "items": { "type": "string" }, "description": "Of texts, shown or not: x and X for letters, 9 for digits.", "example": ["x.x@x.x"] }
              }
            },
            "Catalog": {
              "type": "object",
              "required": ["data"],
              "properties": {
                "data": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["event", "count", "firstSeenAt", "lastSeenAt", "sources", "properties"],
                    "properties": {
                      "event": { "type": "string", "description": "The name of a track call; $page, $screen, $identify, $group; $other for all names that have no place.", "example": "Order Completed" },
                      "count": { "type": "integer", "description": "Approximate." },
                      "firstSeenAt": { "$ref": "#/components/schemas/Time" }, "lastSeenAt": { "$ref": "#/components/schemas/Time" },
                      "sources": { "type": "array", "items": { "type": "object", "required": ["id", "count"], "properties": { "id": { "type": "string" }, "count": { "type": "integer" } } } },
                      "properties": { "type": "array", "items": { "allOf": [{ "$ref": "#/components/schemas/Seen" }], "required": ["path"], "properties": { "path": { "type": "string", "example": "properties.products[].price" } } } },
                      "unnamed": { "type": "integer", "description": "Values of properties that have no place." }
                    }
                  }
                },
                "traits": { "type": "array", "items": { "allOf": [{ "$ref": "#/components/schemas/Seen" }], "required": ["trait"], "properties": { "trait": { "type": "string", "example": "plan" } } } },
                "next": { "type": "string" }
              }
            },
            "WriteKey": { "type": "object", "required": ["writeKey"], "properties": { "writeKey": { "type": "string" } } },
            "ApiKeyInput": {
              "type": "object",
              "required": ["name", "scopes"],
              "properties": { "name": { "type": "string", "maxLength": 200 }, "scopes": { "type": "array", "minItems": 1, "items": { "enum": ["profiles:read", "stats:read", "interactions:write", "admin"] } } }
            },
            "ApiKey": {
              "allOf": [{ "$ref": "#/components/schemas/ApiKeyInput" }],
              "required": ["id", "prefix", "createdAt"],
              "properties": { "id": { "type": "string" }, "prefix": { "type": "string" }, "createdAt": { "$ref": "#/components/schemas/Time" } }
            },
            "NewApiKey": { "allOf": [{ "$ref": "#/components/schemas/ApiKey" }], "required": ["key"], "properties": { "key": { "type": "string" } } },
            "ApiKeyList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/ApiKey" } }, "next": { "type": "string" } } },
            "Failure": {
              "type": "object",
              "required": ["id", "reason", "detail", "at"],
              "properties": {
                "id": { "type": "string" }, "sourceId": { "type": "string" }, "messageId": { "type": "string" },
                "reason": { "enum": ["message-id-reused", "poisoned", "profile-full", "no-identity", "undecodable", "merge-failed"] },
                "detail": { "type": "string" }, "at": { "$ref": "#/components/schemas/Time" }, "profileId": { "$ref": "#/components/schemas/ProfileId" },
                "event": { "type": "object" }, "message": { "type": "string", "description": "In place of the event, where it could not be read." }, "historical": { "const": true }
              }
            },
            "FailureList": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": { "$ref": "#/components/schemas/Failure" } }, "next": { "type": "string" } } },
            "Redrive": { "type": "object", "required": ["id"], "properties": { "sourceId": { "type": "string", "description": "Absent for messages that could not be read." }, "id": { "type": "string" } } }
          }
        }
        """;
}
