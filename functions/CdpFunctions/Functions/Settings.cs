using System.Text.Json.Nodes;
using Cdp.Collect;
using Cdp.Sources;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>What unmodified client SDKs load before they send: where to send to, and that nothing else is configured.</summary>
public sealed class Settings(Collector collector, CdpOptions options)
{
    /// <summary>analytics.js, with <c>v1/</c>.</summary>
    [Function("SettingsForBrowsers")]
    public Task<IResult> Browser([HttpTrigger(AuthorizationLevel.Anonymous, "get", "options", Route = "v1/projects/{key}/settings")] HttpRequest request, string key) =>
        Segment(request, key);

    /// <summary>Segment's mobile and .NET libraries, without.</summary>
    [Function("SettingsForApps")]
    public Task<IResult> App([HttpTrigger(AuthorizationLevel.Anonymous, "get", "options", Route = "projects/{key}/settings")] HttpRequest request, string key) =>
        Segment(request, key);

    [Function("SourceConfig")]
    public Task<IResult> RudderStack([HttpTrigger(AuthorizationLevel.Anonymous, "get", "options", Route = "sourceConfig")] HttpRequest request) =>
        CollectorRequest.Answer(request, "sourceConfig", async () =>
        {
            var key = CollectorRequest.WriteKey(request);
            var source = await collector.FindSourceAsync(key, request.HttpContext.RequestAborted);
            return Json(new JsonObject { ["source"] = RudderSource(source, key!) });
        });

    private Task<IResult> Segment(HttpRequest request, string key) => CollectorRequest.Answer(request, "settings", async () =>
    {
        await collector.FindSourceAsync(key, request.HttpContext.RequestAborted);
        var address = PublicAddress.Of(request, options.PublicUrl);
        return Json(new JsonObject
        {
            ["integrations"] = new JsonObject
            {
                ["Segment.io"] = new JsonObject
                {
                    ["apiKey"] = key,
                    ["apiHost"] = address.HostAndPath + "/v1",
                    ["protocol"] = address.Scheme,
                },
            },
            ["plan"] = new JsonObject(),
            ["edgeFunction"] = new JsonObject(),
            // Otherwise the SDK samples metrics about itself and sends them to its maker.
            ["metrics"] = new JsonObject { ["sampleRate"] = 0 },
        });
    });

    private static JsonObject RudderSource(Source source, string key) => new()
    {
        ["id"] = source.Id,
        ["name"] = source.Name,
        ["writeKey"] = key,
        ["enabled"] = true,
        ["workspaceId"] = "cdp",
        ["config"] = new JsonObject
        {
            // Reports about the SDK itself go to its maker.
            ["statsCollection"] = new JsonObject
            {
                ["errors"] = new JsonObject { ["enabled"] = false },
                ["metrics"] = new JsonObject { ["enabled"] = false },
            },
        },
        ["destinations"] = new JsonArray(),
        ["connections"] = new JsonArray(),
    };

    private static IResult Json(JsonObject body) => Results.Text(body.ToJsonString(), "application/json");
}
