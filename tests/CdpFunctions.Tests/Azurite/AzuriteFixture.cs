using CdpFunctions.Local.Emulator;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Tests.Azurite;

/// <summary>
/// One Azurite, in memory, for all tests of the assembly; it ends with the test process. Each test class takes names of its own.
/// </summary>
public static class AzuriteFixture
{
    private static readonly Lazy<Task<AzuriteProcess>> Shared = new(
        static () => Task.Run(() => AzuriteProcess.StartAsync(AzuriteOptions.InMemory, Console.WriteLine, CancellationToken.None)));

    public static async Task<string> ConnectionStringAsync() => (await Shared.Value).ConnectionString;

    public static async Task<IConfiguration> ConfigurationAsync() =>
        new ConfigurationBuilder()
            .AddInMemoryCollection([new(StorageClients.Setting, await ConnectionStringAsync())])
            .Build();

    public static async Task<StorageClients> ClientsAsync() => StorageClients.Create(await ConfigurationAsync());

    /// <summary>Names nobody else has, for tables, queues and containers alike.</summary>
    public static StorageNames Names() => new("t" + Guid.NewGuid().ToString("n")[..12]);
}
