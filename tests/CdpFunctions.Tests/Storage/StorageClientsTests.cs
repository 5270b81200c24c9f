using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace CdpFunctions.Tests.Storage;

public sealed class StorageClientsTests
{
    [Fact]
    public void ConnectionString_IsTaken()
    {
        var clients = Create(("AzureWebJobsStorage", "UseDevelopmentStorage=true"));

        Assert.Equal("http://127.0.0.1:10002/devstoreaccount1", clients.Tables.Uri.AbsoluteUri);
        Assert.Equal("http://127.0.0.1:10001/devstoreaccount1", clients.Queues.Uri.AbsoluteUri);
        Assert.Equal("http://127.0.0.1:10000/devstoreaccount1", clients.Blobs.Uri.AbsoluteUri);
    }

    [Fact]
    public void AccountName_GivesAllThreeServices()
    {
        var clients = Create(("AzureWebJobsStorage:accountName", "cdp"), ("AzureWebJobsStorage:clientId", "00000000-0000-0000-0000-000000000000"));

        Assert.Equal("https://cdp.table.core.windows.net/", clients.Tables.Uri.AbsoluteUri);
        Assert.Equal("https://cdp.queue.core.windows.net/", clients.Queues.Uri.AbsoluteUri);
        Assert.Equal("https://cdp.blob.core.windows.net/", clients.Blobs.Uri.AbsoluteUri);
    }

    [Fact]
    public void ServiceUris_AreTaken_BeforeTheAccountName()
    {
        var clients = Create(
            ("AzureWebJobsStorage:accountName", "cdp"),
            ("AzureWebJobsStorage:tableServiceUri", "https://cdp.table.core.chinacloudapi.cn"));

        Assert.Equal("https://cdp.table.core.chinacloudapi.cn/", clients.Tables.Uri.AbsoluteUri);
        Assert.Equal("https://cdp.queue.core.windows.net/", clients.Queues.Uri.AbsoluteUri);
    }

    [Theory]
    [InlineData("Unrelated", "x", "No storage is configured")]
    [InlineData("AzureWebJobsStorage", "nonsense", "is not a storage connection string")]
    [InlineData("AzureWebJobsStorage", "AccountName=a;AccountKey=not base64", "is not a storage connection string")]
    [InlineData("AzureWebJobsStorage:tableServiceUri", "https://a.table.core.windows.net", "No storage is configured")]
    [InlineData("AzureWebJobsStorage:tableServiceUri", "not a uri", "AzureWebJobsStorage__tableServiceUri is not an absolute URI")]
    public void Anything_Else_IsOneClearSentence_ThatDoesNotShowTheKey(string setting, string value, string message)
    {
        var failure = Assert.Throws<SettingException>(() => Create((setting, value)));

        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("not base64", failure.Message, StringComparison.Ordinal);
    }

    private static StorageClients Create(params (string Key, string Value)[] settings) =>
        StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection(settings.Select(static each => KeyValuePair.Create(each.Key, (string?)each.Value))).Build());
}
