using System.Text.Json;
using Cdp.Destinations;
using Cdp.Destinations.HubSpot;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CdpFunctions.Tests.Destinations;

/// <summary>What HubSpot answers about a batch, from a real server.</summary>
public sealed class HubSpotAnswerTests
{
    [Theory]
    [InlineData("""{"category":"VALIDATION_ERROR","context":{"ids":["b@shop.example"]}}""", "1: HubSpot refused the contact: VALIDATION_ERROR.")]
    [InlineData("""{"category":"CONFLICT","context":{"objectWriteTraceId":["dlv_2"],"other":"text"}},{"context":{"id":["B@Shop.example"]}}""", "1: HubSpot refused the contact: no reason given., 2: HubSpot refused the contact: CONFLICT.")]
    [InlineData("""{"category":"CONFLICT","context":{"ids":["b@shop.example"]}},{"category":"OBJECT_NOT_FOUND","context":{"ids":["b@shop.example"]}}""", "1: HubSpot refused the contact: OBJECT_NOT_FOUND.")]
    // Nobody is named: none can be told from the others, and all are sent alone.
    [InlineData("""{"category":"VALIDATION_ERROR","context":{}}""", null)]
    [InlineData("""{"category":"VALIDATION_ERROR"}""", null)]
    [InlineData("""{"category":"VALIDATION_ERROR","context":{"ids":["z@shop.example"]}}""", null)]
    [InlineData("[", null)]
    public async Task Part_ThatWasRefused_IsKnown_HoweverLongTheAnswerIs(string errors, string? refused)
    {
        await using var receiver = await Receiver.StartAsync(async (context, _) =>
        {
            context.Response.StatusCode = StatusCodes.Status207MultiStatus;
            await context.Response.WriteAsync($$"""{"status":"COMPLETE","results":[{"id":"1","url":"{{new string('x', 200_000)}}"}],"numErrors":1,"errors":[{{errors}}]}""");
        });
        using var http = new DestinationHttp(allowPrivate: true, TimeProvider.System);
        var settings = JsonDocument.Parse($$"""{"baseUrl":"{{receiver.Address}}"}""").RootElement;
        var target = new DestinationTarget("crm", settings, 100, new Dictionary<string, string> { ["accessToken"] = "pat-1" });
        var batch = ((string[])["a", "b", "c"]).Select(static (name, i) => new Outgoing(
            $"dlv_{i}", "key" + name, "prf_" + name, 1, "profile-changed", JsonDocument.Parse($$$"""{"profile":{"identifiers":{"email":["{{{name}}}@shop.example"]} } }""").RootElement,
            JsonDocument.Parse("""{"plan":"pro"}""").RootElement)).ToList();
        var result = await new HubSpotDestination(http).SendAsync(target, batch, CancellationToken.None);
        Assert.Equal(refused is null ? SendStatus.Refused : SendStatus.Delivered, result.Status);
        Assert.Equal(refused, result.RefusedItems is { } items ? string.Join(", ", items.OrderBy(i => i.Key).Select(i => $"{i.Key}: {i.Value}")) : null);
        Assert.Equal(DestinationHttp.ShownBytes, result.Exchange.ResponseBody!.Length);
    }
}
