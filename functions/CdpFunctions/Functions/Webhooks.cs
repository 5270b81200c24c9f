using Cdp.Access;
using Cdp.Stats;
using Cdp.Webhooks;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Where other systems send what happened in them, in their own words.</summary>
public sealed class Webhooks(WebhookReceiver receiver, ApiAccess access, CdpOptions options)
{
    [Function("ReceiveWebhook")]
    public async Task<IResult> Receive([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/webhooks/{sourceId}")] HttpRequest request, string sourceId)
    {
        var result = await Answer.To(request, async () =>
        {
            using var body = await RequestBody.ReadAsync(request, WebhookLimits.PayloadBytes);
            return CollectedResult.Of(await receiver.ReceiveAsync(WebhookRequest.Call(request, sourceId, body.Memory, options.PublicUrl), request.HttpContext.RequestAborted));
        });
        Telemetry.Collected("webhooks", result is ProblemResult refused ? refused.Problem.Type.Status : StatusCodes.Status200OK);
        return result;
    }

    [Function("GetMappingSchema")]
    public Task<IResult> Schema([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/mapping-schema")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => Task.FromResult<IResult>(JsonAnswer.Of(json => json.WriteRawValue(WebhookPresets.Schema.Span, skipInputValidation: true))));

    [Function("ListMappingPresets")]
    public Task<IResult> Presets([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/mapping-presets")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => Task.FromResult<IResult>(JsonAnswer.Of(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("data"u8);
            foreach (var preset in WebhookPresets.List)
                json.WriteRawValue(preset.Json, skipInputValidation: true);
            json.WriteEndArray();
            json.WriteEndObject();
        })));
}
