using System.Text.Json;
using Azure.Storage.Queues.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// <c>POST /admin/functions/{name}</c> with <c>{"input":"..."}</c>: starts a timer or queue function now. As in the Functions host, 202 says
/// that it was started, not how it ended; 404 that there is none of this name; 400 that the body is not such an object. No key is needed here.
/// </summary>
internal sealed class AdminFunctions(LocalHost host)
{
    private sealed record FunctionInput(string? Input);

    public Endpoint Endpoint() =>
        new RouteEndpointBuilder(ServeAsync, RoutePatternFactory.Parse("admin/functions/{name}"), order: -1) { DisplayName = "admin" }.Build();

    /// <summary>The message an input stands for: first try, no receipt, since it never was in the queue.</summary>
    public static QueueMessage Message(string input) =>
        QueuesModelFactory.QueueMessage(Guid.NewGuid().ToString(), popReceipt: "", BinaryData.FromString(input), dequeueCount: 1);

    private async Task ServeAsync(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status404NotFound;
        if (!HttpMethods.IsPost(http.Request.Method) || host.StarterOf((string)http.Request.RouteValues["name"]!) is not { } start) return;

        http.Response.StatusCode = StatusCodes.Status400BadRequest;
        FunctionInput? body;
        try
        {
            body = await JsonSerializer.DeserializeAsync<FunctionInput>(http.Request.Body, JsonSerializerOptions.Web, http.RequestAborted);
        }
        catch (JsonException)
        {
            return;
        }
        if (body is null) return;

        _ = start(body.Input ?? "");
        http.Response.StatusCode = StatusCodes.Status202Accepted;
    }
}
