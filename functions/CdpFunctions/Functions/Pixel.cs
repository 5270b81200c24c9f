using Cdp.Collect;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Stats;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Functions;

/// <summary>Events from where only images can be fetched: mails and pages without scripts. The answer is always the image.</summary>
public sealed partial class Pixel(Collector collector, ILogger<Pixel> log)
{
    /// <summary>One transparent dot.</summary>
    private static readonly byte[] Gif = Convert.FromBase64String("R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==");

    [Function("CollectPixel")]
    public Task<IResult> Typed([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/pixel/{type}")] HttpRequest request, string type) =>
        AnswerAsync(request, type, ownType: false);

    [Function("CollectPixelGif")]
    public Task<IResult> Plain([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "pixel.gif")] HttpRequest request) =>
        AnswerAsync(request, QueryParameters.First(request, "type") ?? EventType.Page.Name(), ownType: true);

    /// <param name="ownType">The parameter <c>type</c> is the path's, not a member of the event.</param>
    private async Task<IResult> AnswerAsync(HttpRequest request, string type, bool ownType)
    {
        Http.Answer.AssignRequestId(request.HttpContext);
        Cors.Allow(request);
        try
        {
            await CollectAsync(request, type, ownType);
        }
        catch (ProblemException exception)
        {
            LogRefused(exception.Problem.Type.Code, exception.Message);
        }
#pragma warning disable CA1031 // Nobody reads a pixel's answer, and a page must not show a broken image, whatever happened.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            LogFailed(exception);
        }

        Telemetry.Collected("pixel", StatusCodes.Status200OK);
        request.HttpContext.Response.Headers.CacheControl = "no-store, no-cache, must-revalidate";
        return Results.Bytes(Gif, "image/gif");
    }

    private async Task CollectAsync(HttpRequest request, string typeName, bool ownType)
    {
        byte[] json;
        // What a page or a mail shows must not say who is the same person; and the parameters of a query make no list of objects.
        if (!EventTypes.TryParse(typeName.ToLowerInvariant(), out var type) || type == EventType.Merge)
            throw Counted(new ProblemException(ProblemType.UnknownType, "The pixel's type is none of track, identify, page, screen, group, alias."));
        try
        {
            json = PixelQuery.ToJson(Parameters(request, ownType));
        }
        catch (ProblemException exception)
        {
            throw Counted(exception);
        }

        if (json.Length > CollectLimits.RequestBytes)
            throw Counted(new ProblemException(ProblemType.RequestTooLarge, "The pixel's data is too large."));
        await collector.CollectAsync(CollectorRequest.Call(request, type, json), request.HttpContext.RequestAborted);
    }

    private static ProblemException Counted(ProblemException exception)
    {
        Telemetry.Received("", 1);
        Telemetry.Rejected("", exception.Problem.Type.Code, 1);
        return exception;
    }

    private static IEnumerable<(string Name, string Value)> Parameters(HttpRequest request, bool ownType)
    {
        foreach (var (name, value) in QueryParameters.All(request))
        {
            if (name != "writeKey" && !(ownType && name == "type"))
                yield return (name, value);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "A pixel was refused as {Reason}: {Detail}")]
    private partial void LogRefused(string reason, string detail);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A pixel's event was lost")]
    private partial void LogFailed(Exception exception);
}
