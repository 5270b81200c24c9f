using Cdp.Storage;
using Cdp.Tests.Storage;
using CdpFunctions.Storage;
using CdpFunctions.Tests.Azurite;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Tests.Storage;

public sealed class TableRowStoreTests : RowStoreContract
{
    private static readonly Lazy<Task<IRowStore>> Store = new(static async () => new TableRowStore((await StorageForTests.CreateAsync()).Tables));

    protected override Task<IRowStore> StoreAsync() => Store.Value;
}

public sealed class StorageBlobStoreTests : BlobStoreContract
{
    private static readonly Lazy<Task<IBlobStore>> Store = new(static async () => new StorageBlobStore((await StorageForTests.CreateAsync()).Blobs));

    protected override Task<IBlobStore> StoreAsync() => Store.Value;
}

public sealed class StorageMessageQueueTests : MessageQueueContract
{
    private StorageClients? storage;

    protected override async Task<IMessageQueue> QueueAsync()
    {
        storage = await StorageForTests.CreateAsync();
        return new StorageMessageQueue(storage.Queues);
    }

    protected override async Task<string?> ReceiveAsync(QueueName queue)
    {
        var client = storage!.Queues.GetQueueClient(StorageNames.Of(queue));
        var received = await client.ReceiveMessagesAsync(1, TimeSpan.FromHours(1), default);
        return received.Value is [var message] ? message.MessageText : null;
    }
}

internal static class StorageForTests
{
    /// <summary>An account of its own, with the app's tables, queues and containers.</summary>
    public static async Task<StorageClients> CreateAsync()
    {
        var account = await AzuriteFixture.NewAccountAsync();
        var clients = StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, account)]).Build());
        await StorageSetup.CreateAllAsync(clients, default);
        return clients;
    }
}
