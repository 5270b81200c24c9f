using CdpFunctions.Local.Emulator;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// The storage emulator, where the settings ask for it and it does not run yet. Disposing ends what this started, in order, so that all data
/// is on disk; an emulator that ran before stays.
/// </summary>
internal sealed class LocalStorage : IAsyncDisposable
{
    /// <summary>The folder of the emulator's data, beside local.settings.json where that is in the current folder or above it, else in the current folder.</summary>
    public const string Folder = ".azurite";

    private static readonly int[] Ports = [10000, 10001, 10002];
    private readonly AzuriteProcess? _azurite;

    private LocalStorage(AzuriteProcess? azurite) => _azurite = azurite;

    /// <exception cref="LocalHostException">Only some of the emulator's ports are in use.</exception>
    /// <exception cref="EmulatorException">The emulator cannot be installed or started.</exception>
    public static async Task<LocalStorage> StartAsync(LocalSettings settings, Action<string> say, CancellationToken cancellationToken)
    {
        if (settings.Configuration[LocalSettings.StorageSetting] is not LocalSettings.DevelopmentStorage) return new LocalStorage(null);
        var taken = Array.FindAll(Ports, LocalPorts.IsListening);
        if (taken.Length == Ports.Length)
        {
            say("Using the storage emulator that listens on ports 10000 to 10002.");
            return new LocalStorage(null);
        }
        if (taken.Length > 0)
            throw new LocalHostException($"Port {string.Join(" and ", taken)} is taken, but the storage emulator needs all of 10000 to 10002: stop what listens there.");

        var current = Directory.GetCurrentDirectory();
        var folder = Path.Combine(
            Path.GetDirectoryName(settings.Path) is { } root && current.StartsWith(root, StringComparison.Ordinal) ? root : current, Folder);
        say($"Starting the storage emulator Azurite; its data is in {folder}");
        return new LocalStorage(await AzuriteProcess.StartAsync(new AzuriteOptions(folder), say, cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        if (_azurite is null) return;
        await _azurite.StopAsync();
        await _azurite.DisposeAsync();
    }
}
