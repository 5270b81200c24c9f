// An example: copy it, change it, and pass the copy with --parameters.
using 'main.bicep'

param name = 'cdp'
param publicUrl = ''
param storageReplication = 'Standard_ZRS'
param deployServiceBus = false
