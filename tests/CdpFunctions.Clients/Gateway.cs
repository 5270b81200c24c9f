using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;

namespace CdpFunctions.Clients;

/// <summary>What the gateway does to a request on its way.</summary>
internal enum Fate
{
    Pass,

    /// <summary>The app never sees it; the client gets a 503.</summary>
    Refuse,

    /// <summary>The app takes it; the client gets a 503 with all the app's headers.</summary>
    LoseAnswer,
}

/// <summary>A request that reached the app, and how the app answered.</summary>
internal sealed record Received(string Method, string Path, IHeaderDictionary Headers, string Body, HttpStatusCode Status)
{
    public override string ToString() => $"{Method} {Path} {(int)Status}";
}

/// <summary>
/// A transparent proxy in front of the app: the clients' requests and the app's answers pass unchanged, the Host header included,
/// and what the app got is recorded. It stands for the network, and can fail like one.
/// </summary>
internal sealed class Gateway : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // Those of one hop, and what the new body's own headers say.
    private static readonly string[] NotPassed = ["Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length"];

    private readonly ConcurrentQueue<Received> received = new();
    private readonly HttpClient app;
    private readonly WebApplication server;
    private readonly Func<HttpRequest, Fate> fate;
    private int refused;

    private Gateway(Uri app, Func<HttpRequest, Fate> fate)
    {
        this.fate = fate;
        this.app = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false }) { BaseAddress = app };
        server = Servers.Create();
        server.Run(HandleAsync);
    }

    /// <summary>Scheme, host and port, without a slash at the end.</summary>
    public string Address => Servers.AddressOf(server);

    public IReadOnlyCollection<Received> Received => received;

    public int Refused => refused;

    /// <summary>Each event that reached the app, once for every time it did.</summary>
    public IReadOnlyList<SentEvent> Events =>
        [.. received.Where(static r => r is { Method: "POST", Status: HttpStatusCode.OK }).SelectMany(SentEvent.In)];

    public static async Task<Gateway> StartAsync(Uri app, Func<HttpRequest, Fate>? fate = null)
    {
        var gateway = new Gateway(app, fate ?? (static _ => Fate.Pass));
        await gateway.server.StartAsync();
        return gateway;
    }

    /// <summary>Waits until so many different events reached the app; throws after half a minute.</summary>
    public async Task<IReadOnlyList<SentEvent>> WaitForEventsAsync(int count)
    {
        await WaitAsync(() => Events.DistinctBy(static e => e.MessageId).Count() >= count);
        return Events;
    }

    /// <summary>Waits for the request that a client sends again because it got no answer, which the header tells; throws after half a minute.</summary>
    public Task WaitForRepeatedAsync(string header) => WaitAsync(() => received.Any(r => r.Method == "POST" && r.Headers[header] == "1"));

    private async Task WaitAsync(Func<bool> reached)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!reached())
        {
            if (patience.IsCancellationRequested)
                throw new TimeoutException($"The client sent only: {string.Join("; ", received)}");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        app.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var fated = fate(context.Request);
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        if (fated == Fate.Refuse)
        {
            Interlocked.Increment(ref refused);
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        // A page that is left cancels its requests, but what it sent is on its way.
        using var answer = await app.SendAsync(Forwarded(context.Request, body.ToArray()), CancellationToken.None);
        var content = await answer.Content.ReadAsByteArrayAsync(CancellationToken.None);
        received.Enqueue(new Received(context.Request.Method, context.Request.GetEncodedPathAndQuery(), Copy(context.Request.Headers), Text(context.Request, body), answer.StatusCode));
        context.Response.StatusCode = fated == Fate.LoseAnswer ? StatusCodes.Status503ServiceUnavailable : (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (!NotPassed.Contains(name, StringComparer.OrdinalIgnoreCase))
                context.Response.Headers[name] = values.ToArray();
        }

        await context.Response.Body.WriteAsync(content, context.RequestAborted);
    }

    private static HttpRequestMessage Forwarded(HttpRequest request, byte[] body)
    {
        var forwarded = new HttpRequestMessage(new HttpMethod(request.Method), request.GetEncodedPathAndQuery());
        if (request.ContentLength is not null || body.Length > 0)
            forwarded.Content = new ByteArrayContent(body);
        foreach (var (name, values) in request.Headers)
        {
            if (NotPassed.Contains(name, StringComparer.OrdinalIgnoreCase))
                continue;
            if (!forwarded.Headers.TryAddWithoutValidation(name, values.ToArray()))
                forwarded.Content?.Headers.TryAddWithoutValidation(name, values.ToArray());
        }

        return forwarded;
    }

    // The server uses its own again for the next request.
    private static HeaderDictionary Copy(IHeaderDictionary headers) => new(headers.ToDictionary(StringComparer.OrdinalIgnoreCase));

    private static string Text(HttpRequest request, MemoryStream body)
    {
        body.Position = 0;
        using Stream plain = request.Headers.ContentEncoding == "gzip" ? new GZipStream(body, CompressionMode.Decompress) : body;
        using var reader = new StreamReader(plain, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
