using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Tests.Destinations;

/// <summary>A request as a destination got it.</summary>
public sealed record Received(string Path, string? Key, string? DeliveryId, string? Version, string? Signature, string Body, IReadOnlyDictionary<string, string> Headers, long At, bool Answered);

/// <summary>A real HTTP server in place of a destination, as well-behaved as a test wants it.</summary>
public sealed class Receiver : IAsyncDisposable
{
    private readonly ConcurrentQueue<Received> received = new();
    private WebApplication? app;

    private Receiver(int port, Func<HttpContext, string, Task> answer)
    {
        Port = port;
        Answer = answer;
    }

    public int Port { get; private set; }

    public Uri Address => new($"http://127.0.0.1:{Port}/");

    /// <summary>Answers a request whose body was read; may be replaced at any time. What sets <c>Items["taken"]</c> has taken it, whatever it answers.</summary>
    public Func<HttpContext, string, Task> Answer { get; set; }

    private int arrived;

    /// <summary>Requests so far, those that are not answered yet included.</summary>
    public int Arrived => Volatile.Read(ref arrived);

    /// <summary>In the order in which they were done with.</summary>
    public IReadOnlyList<Received> All => [.. received];

    /// <summary>Those that were answered with success.</summary>
    public IReadOnlyList<Received> Taken => [.. received.Where(r => r.Answered)];

    public static async Task<Receiver> StartAsync(Func<HttpContext, string, Task>? answer = null)
    {
        var receiver = new Receiver(0, answer ?? ((_, _) => Task.CompletedTask));
        await receiver.UpAsync();
        return receiver;
    }

    /// <summary>Listens again on the port it had.</summary>
    public async Task UpAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, Port));
        builder.Logging.ClearProviders();
        app = builder.Build();
        app.Run(TakeAsync);
        await app.StartAsync();
        Port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
    }

    /// <summary>Nothing listens any more.</summary>
    public async Task DownAsync()
    {
        await app!.StopAsync(new CancellationToken(true));
        await app.DisposeAsync();
        app = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (app is not null)
            await DownAsync();
    }

    private async Task TakeAsync(HttpContext context)
    {
        Interlocked.Increment(ref arrived);
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        var at = Stopwatch.GetTimestamp();
        var answered = false;
        try
        {
            await Answer(context, body);
            answered = context.Items.ContainsKey("taken") || (!context.RequestAborted.IsCancellationRequested && context.Response.StatusCode is >= 200 and < 300);
        }
        finally
        {
            received.Enqueue(new Received(
                context.Request.Path, Header("Idempotency-Key"), Header("Cdp-Delivery-Id"), Header("Cdp-Profile-Version"), Header("Cdp-Signature"), body,
                context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase), at, answered));
        }

        string? Header(string name) => context.Request.Headers[name].ToString() is { Length: > 0 } value ? value : null;
    }
}
