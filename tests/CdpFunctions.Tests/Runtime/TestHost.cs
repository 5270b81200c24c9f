using CdpFunctions.Local.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace CdpFunctions.Tests.Runtime;

/// <summary>Starts the runtime on a free port with functions of the test's own.</summary>
internal static class TestHost
{
    public static LocalHostOptions Options<TFunctions>(Journal journal, params (string Name, string Value)[] settings) => new()
    {
        Configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => new KeyValuePair<string, string?>(setting.Name, setting.Value)))
            .Build(),
        Host = new HostSettings { RoutePrefix = "" },
        FunctionTypes = [typeof(TFunctions)],
        ConfigureServices = (services, _) => services.AddSingleton(journal).AddScoped<ScopedThing>(),
    };
}

/// <summary>What functions did, in order; a test waits for it instead of sleeping.</summary>
internal sealed class Journal
{
    private readonly System.Threading.Channels.Channel<string> _entries = System.Threading.Channels.Channel.CreateUnbounded<string>();

    /// <summary>Functions that wait here go on once a test opens it.</summary>
    public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Functions that wait here go on one by one, as a test releases them.</summary>
    public SemaphoreSlim Turnstile { get; } = new(0);

    /// <summary>The queue messages that functions kept, in order.</summary>
    public List<Azure.Storage.Queues.Models.QueueMessage> Messages { get; } = [];

    public void Write(string entry) => _entries.Writer.TryWrite(entry);

    /// <summary>The next entry; fails after a time that no working test needs.</summary>
    public async Task<string> ReadAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return await _entries.Reader.ReadAsync(patience.Token);
    }

    public bool IsEmpty => !_entries.Reader.TryPeek(out _);
}

internal sealed class ScopedThing : IDisposable
{
    public bool IsDisposed { get; private set; }

    public void Dispose() => IsDisposed = true;
}
