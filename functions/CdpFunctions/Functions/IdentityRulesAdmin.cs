using Cdp.Access;
using Cdp.Archive;
using Cdp.Identity;
using Cdp.Storage;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>The identifier types and their rules.</summary>
public sealed class IdentityRulesAdmin(ApiAccess access, IdentityRulesStore store, IdentityRulesRegistry registry, ControlLog log)
{
    // Somebody else would have to write between read and write as often as this.
    private const int MostTries = 10;

    [Function("PutIdentityRules")]
    public Task<IResult> Put([HttpTrigger(AuthorizationLevel.Anonymous, "put", Route = "v1/identity-rules")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var body = await JsonBody.ReadObjectAsync(request);
            for (var tries = 0; tries < MostTries; tries++)
            {
                var present = await store.GetAsync(request.HttpContext.RequestAborted);
                Conditions.Check(request, present?.Version);
                var rules = IdentityRulesDocument.Read(body, (present?.Rules ?? IdentityRules.Default).Version + 1);
                // Before they hold: rules that decided anything are never missing from the log. Of two lines of one version the later holds.
                await log.RecordAsync(json => WriteChange(json, rules), request.HttpContext.RequestAborted);
                if (await store.PutAsync(rules, present?.Version, request.HttpContext.RequestAborted) is not { } version)
                    continue;
                registry.Expire();
                return Document(rules, version, present is null ? StatusCodes.Status201Created : StatusCodes.Status200OK);
            }

            throw new ConflictException($"The identity rules were changed by others {MostTries} times in a row.");
        });

    /// <summary>Those that hold; without an ETag where they are the defaults.</summary>
    [Function("GetIdentityRules")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/identity-rules")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () => await store.GetAsync(request.HttpContext.RequestAborted) is var (rules, version)
            ? Document(rules, version)
            : Document(IdentityRules.Default, version: null));

    private static void WriteChange(System.Text.Json.Utf8JsonWriter json, IdentityRules rules)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "identity-rules"u8);
        json.WritePropertyName("rules"u8);
        IdentityRulesDocument.Write(json, rules);
        json.WriteEndObject();
    }

    private static JsonAnswer Document(IdentityRules rules, string? version, int status = StatusCodes.Status200OK) =>
        JsonAnswer.Of(json => IdentityRulesDocument.Write(json, rules), status, version is null ? null : Conditions.ETag(version));
}
