using Azure.Storage.Queues;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Local.Runtime;

/// <summary>What a <see cref="LocalHost"/> runs, and with what.</summary>
public sealed record LocalHostOptions
{
    /// <summary>The message lock, renewed at half of it: <c>Local:MessageLease</c>, a time span.</summary>
    public const string MessageLeaseSetting = "Local:MessageLease";

    public required IConfiguration Configuration { get; init; }

    public HostSettings Host { get; init; } = new();

    /// <summary>Where functions are looked for: <c>assembly.GetTypes()</c>, or some classes.</summary>
    public required IEnumerable<Type> FunctionTypes { get; init; }

    /// <summary>0 takes a free port on 127.0.0.1; any other is opened on localhost (127.0.0.1 and ::1).</summary>
    public int Port { get; init; }

    /// <summary>Time for functions and for the app: schedules follow it.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Composes the app's services.</summary>
    public Action<IServiceCollection, IConfiguration> ConfigureServices { get; init; } = (_, _) => { };

    /// <summary>Creates storage; runs before any function can be started.</summary>
    public Func<IServiceProvider, CancellationToken, Task> InitializeAsync { get; init; } = (_, _) => Task.CompletedTask;

    /// <summary>Answers what no route matches; null gives an empty 404, as the Functions host does.</summary>
    public RequestDelegate? NotFound { get; init; }

    public Action<ILoggingBuilder> ConfigureLogging { get; init; } = _ => { };

    /// <summary>Adds to the clients of the queue listeners, for instance a policy that counts.</summary>
    public Action<QueueClientOptions> ConfigureQueueClients { get; init; } = _ => { };

    /// <summary>How long a stop waits for running functions before it cancels them. After as long again, at most 5 s, it leaves them behind.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(15);
}
