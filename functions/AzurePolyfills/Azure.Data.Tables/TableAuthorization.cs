using System.Globalization;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;

namespace Azure.Data.Tables;

/// <summary>
/// Signs requests to tables with SharedKeyLite: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
/// </summary>
internal sealed class TableSharedKeyPolicy(StorageAccount account) : HttpPipelineSynchronousPolicy
{
    public override void OnSendingRequest(HttpMessage message)
    {
        var request = message.Request;
        var date = TimeProvider.System.GetUtcNow().ToString("r", CultureInfo.InvariantCulture);
        request.Headers.SetValue("x-ms-date", date);
        var uri = request.Uri.ToUri();
        // Of the query only "comp" counts, which no operation here uses.
        request.Headers.SetValue("Authorization", $"SharedKeyLite {account.Name}:{account.Sign($"{date}\n/{account.Name}{uri.AbsolutePath}")}");
    }
}
